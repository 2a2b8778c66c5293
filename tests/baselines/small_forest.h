// A forest of few trees that learnt from songs of two stems: `low`, notes below 400 Hz, and `high`,
// noise without what lies below 2 kHz.
#pragma once

#include <filesystem>
#include <vector>

#include "baselines/forest_fit.h"
#include "tests/baselines/baseline_songs.h"

namespace stemsmith::testing {

constexpr int kForestRate = 22050;

// Of `low` and `high`, at any rate; another seed is another song.
inline std::vector<AudioBuffer> ForestStems(std::size_t frames, int rate, std::uint64_t seed) {
  RandomStream random({seed});
  AudioBuffer low(2, frames), high(2, frames);
  double phase = 0, hz = 200, before = 0, gain = 0.1;
  for (std::size_t t = 0; t < frames; ++t) {
    if (t % static_cast<std::size_t>(rate / 3) == 0) {
      hz = random.Uniform(80, 400);
      gain = random.Uniform(0.02, 0.2);
    }
    phase += 2 * std::numbers::pi * hz / rate;
    const double noise = gain * random.Normal();
    for (int c = 0; c < 2; ++c) {
      low.channel(c)[t] = static_cast<float>(0.2 * std::sin(phase));
      high.channel(c)[t] = static_cast<float>(noise - before);  // rises by 6 dB per octave
    }
    before = noise;
  }
  return {low, high};
}

inline ForestFitRequest SmallForest(const std::filesystem::path& out) {
  ForestFitRequest request;
  request.songs.stems = {"low", "high"};
  request.songs.sample_rate_hz = kForestRate;
  request.songs.channels = 2;
  request.songs.songs = {{"one", 4 * kForestRate}, {"two", 4 * kForestRate}};
  request.songs.read = [](std::size_t song, std::int64_t start, std::int64_t frames, float* out) {
    const auto stems = ForestStems(4 * kForestRate, kForestRate, song);
    for (const AudioBuffer& stem : stems)
      for (int c = 0; c < 2; ++c) out = std::copy_n(stem.channel(c) + start, frames, out);
  };
  request.options.samples = 2000;
  request.options.trees = 4;
  request.options.smallest_leaf = 5;
  request.out = out;
  return request;
}

}  // namespace stemsmith::testing
