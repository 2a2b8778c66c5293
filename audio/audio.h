// Audio in memory, and the legend of shapes used in all comments:
//   B batch · S stems · C channels · T frames (one sample per channel) · F frequency bins · N
//   frames of an STFT
// Samples are float32, full scale ±1. Sample rates are in Hz, gains in dB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/visibility.h"

namespace stemsmith {

// A block of audio, planar: [C, T], channel after channel. Plain value type.
class AudioBuffer {
 public:
  AudioBuffer() = default;
  AudioBuffer(int channels, std::size_t frames)
      : channels_(channels),
        frames_(frames),
        samples_(static_cast<std::size_t>(channels) * frames, 0.0f) {}

  int channels() const { return channels_; }
  std::size_t frames() const { return frames_; }
  bool empty() const { return samples_.empty(); }
  float* channel(int c) { return samples_.data() + static_cast<std::size_t>(c) * frames_; }
  const float* channel(int c) const {
    return samples_.data() + static_cast<std::size_t>(c) * frames_;
  }
  std::span<float> samples() { return samples_; }
  std::span<const float> samples() const { return samples_; }

 private:
  int channels_ = 0;
  std::size_t frames_ = 0;
  std::vector<float> samples_;
};

// [T, C] interleaved → [C, T] planar and back; `frames` frames of `channels` channels.
STEMSMITH_PUBLIC void Deinterleave(const float* interleaved, int channels, std::size_t frames,
                                   float* planar);
STEMSMITH_PUBLIC void Interleave(const float* planar, int channels, std::size_t frames,
                                 float* interleaved);

// Mixes interleaved frames from one channel count to another: mono → n copies; n → mono the mean;
// stereo from more channels the front pair (channels 0 and 1); otherwise channels are copied and
// the rest is silent.
STEMSMITH_PUBLIC void RemixChannels(const float* in, int channels_in, float* out, int channels_out,
                                    std::size_t frames);

}  // namespace stemsmith
