// The magnitudes of the STFT of audio in memory.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "audio/audio.h"
#include "audio/audio_reader.h"
#include "audio/stft.h"
#include "core/host.h"

namespace stemsmith {

struct Magnitudes {
  std::size_t channels = 0, frames = 0, bins = 0;
  std::vector<float> values;  // [C, N, F]

  const float* Frame(std::size_t channel, std::size_t n) const {
    return values.data() + (channel * frames + n) * bins;
  }
  std::span<const float> Channel(std::size_t channel) const {
    return {values.data() + channel * frames * bins, frames * bins};
  }
  // The mean of all channels of frame n: [F].
  void Mean(std::size_t n, float* out) const;
};

Magnitudes ReadMagnitudes(const AudioBuffer& audio, int sample_rate_hz, const StftOptions& options,
                          const Host& host);

// A reader of audio, which must outlive it.
std::unique_ptr<AudioReader> ReaderOf(const AudioBuffer& audio, int sample_rate_hz);

}  // namespace stemsmith
