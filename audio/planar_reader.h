// Audio in memory as a reader.
#pragma once

#include <algorithm>
#include <vector>

#include "audio/audio_reader.h"

namespace stemsmith {

// Planar [C, T]; what `song` points to must outlive the reader.
class PlanarReader : public AudioReader {
 public:
  PlanarReader(const float* const* song, int channels, std::size_t frames, int sample_rate_hz)
      : song_(song, song + channels), frames_(frames) {
    info_.channels = channels;
    info_.sample_rate_hz = sample_rate_hz;
    info_.frames = info_.expected_frames = static_cast<std::int64_t>(frames);
  }
  const AudioInfo& info() const override { return info_; }
  std::size_t Read(float* out, std::size_t frames) override {
    const std::size_t count = std::min(frames, frames_ - position_);
    for (std::size_t t = position_; t < position_ + count; ++t)
      for (int c = 0; c < info_.channels; ++c) *out++ = song_[c][t];
    position_ += count;
    return count;
  }
  void Rewind() override { position_ = 0; }

 private:
  std::vector<const float*> song_;
  std::size_t frames_, position_ = 0;
  AudioInfo info_;
};

}  // namespace stemsmith
