// Stems in memory as a StemPair.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "audio/audio.h"
#include "core/random.h"
#include "evaluate/stem_pair.h"

namespace stemsmith::testing {

class MemoryPair : public StemPair {
 public:
  MemoryPair(std::vector<AudioBuffer> references, std::vector<AudioBuffer> estimates)
      : sources_(static_cast<int>(references.size())), stems_(std::move(references)) {
    for (AudioBuffer& estimate : estimates) stems_.push_back(std::move(estimate));
  }
  int sources() const override { return sources_; }
  int channels() const override { return stems_[0].channels(); }
  std::size_t frames() const override { return stems_[0].frames(); }
  void Read(std::size_t begin, std::size_t end, float* out) override {
    for (const AudioBuffer& stem : stems_)
      for (int c = 0; c < stem.channels(); ++c)
        out = std::copy(stem.channel(c) + begin, stem.channel(c) + end, out);
  }
  AudioBuffer& reference(int s) { return stems_[static_cast<std::size_t>(s)]; }
  AudioBuffer& estimate(int s) { return stems_[static_cast<std::size_t>(sources_ + s)]; }

 private:
  int sources_;
  std::vector<AudioBuffer> stems_;
};

inline AudioBuffer RandomAudio(int channels, std::size_t frames, std::uint64_t seed,
                               float gain = 0.1f) {
  AudioBuffer audio(channels, frames);
  RandomStream random({seed});
  for (float& sample : audio.samples()) sample = gain * static_cast<float>(random.Normal());
  return audio;
}

// Noise as references, and as estimates the same with a little noise and of each other.
inline MemoryPair RandomPair(int sources, int channels, std::size_t frames,
                             std::uint64_t seed = 1) {
  std::vector<AudioBuffer> references, estimates;
  for (int s = 0; s < sources; ++s) {
    references.push_back(RandomAudio(channels, frames, seed + static_cast<std::uint64_t>(s)));
    estimates.push_back(
        RandomAudio(channels, frames, seed + 100 + static_cast<std::uint64_t>(s), 0.02f));
  }
  for (int s = 0; s < sources; ++s) {
    const auto& next = references[static_cast<std::size_t>((s + 1) % sources)].samples();
    auto out = estimates[static_cast<std::size_t>(s)].samples();
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] += references[static_cast<std::size_t>(s)].samples()[i] + 0.2f * next[i];
  }
  return {std::move(references), std::move(estimates)};
}

}  // namespace stemsmith::testing
