// Songs in memory for classical methods, and what they make of them.
#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "audio/audio.h"
#include "baselines/registry.h"
#include "core/config.h"
#include "core/random.h"

namespace stemsmith::testing {

// Audio in memory that belongs to its reader.
class SongReader : public AudioReader {
 public:
  SongReader(AudioBuffer audio, int sample_rate_hz) : audio_(std::move(audio)) {
    info_.channels = audio_.channels();
    info_.sample_rate_hz = sample_rate_hz;
    info_.frames = info_.expected_frames = static_cast<std::int64_t>(audio_.frames());
  }
  const AudioInfo& info() const override { return info_; }
  std::size_t Read(float* out, std::size_t frames) override {
    const std::size_t count = std::min(frames, audio_.frames() - position_);
    for (std::size_t t = position_; t < position_ + count; ++t)
      for (int c = 0; c < info_.channels; ++c) *out++ = audio_.channel(c)[t];
    position_ += count;
    return count;
  }
  void Rewind() override { position_ = 0; }

 private:
  AudioBuffer audio_;
  AudioInfo info_;
  std::size_t position_ = 0;
};

inline AudioBuffer Sine(int channels, std::size_t frames, double hz, int sample_rate_hz,
                        double gain = 0.3) {
  AudioBuffer audio(channels, frames);
  for (int c = 0; c < channels; ++c)
    for (std::size_t t = 0; t < frames; ++t)
      audio.channel(c)[t] = static_cast<float>(
          gain * std::sin(2 * std::numbers::pi * hz * static_cast<double>(t) / sample_rate_hz + c));
  return audio;
}

inline AudioBuffer Noise(int channels, std::size_t frames, std::uint64_t seed = 1,
                         double gain = 0.1) {
  AudioBuffer audio(channels, frames);
  RandomStream random({seed});
  for (float& sample : audio.samples()) sample = static_cast<float>(gain * random.Normal());
  return audio;
}

inline AudioBuffer Sum(const AudioBuffer& a, const AudioBuffer& b) {
  AudioBuffer sum = a;
  for (std::size_t i = 0; i < sum.samples().size(); ++i) sum.samples()[i] += b.samples()[i];
  return sum;
}

inline double Energy(const AudioBuffer& audio) {
  double sum = 0;
  for (const float sample : audio.samples()) sum += static_cast<double>(sample) * sample;
  return sum;
}

// The largest difference of two buffers of one shape.
inline double LargestDifference(const AudioBuffer& a, const AudioBuffer& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.samples().size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a.samples()[i]) - b.samples()[i]));
  return largest;
}

// The stems of `song` by the method, with settings as text; `references` for those that need them.
inline std::vector<AudioBuffer> Separated(const std::string& name, const std::string& settings,
                                          const AudioBuffer& song, int sample_rate_hz,
                                          const std::vector<AudioBuffer>& references = {}) {
  const auto baseline = MakeBaseline(FindBaseline(name), Config::Parse(settings, "settings.yaml"));
  BaselineInput input;
  input.song = std::make_unique<SongReader>(song, sample_rate_hz);
  for (const AudioBuffer& reference : references)
    input.references.push_back(std::make_unique<SongReader>(reference, sample_rate_hz));
  return ReadAllStems(*baseline->Open(std::move(input)));
}

}  // namespace stemsmith::testing
