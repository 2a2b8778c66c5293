// Stems with known content and what is measured on them.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "augment/augment.h"
#include "core/config.h"

namespace stemsmith {

// The augmentation of one configured item, "name: gain, …", of which every key must be read.
inline AugmentChain ChainOf(const std::string& item) {
  const Config config = Config::Parse("augment: [{" + item + "}]", "test.yaml");
  AugmentChain chain(config.List("augment"));
  config.CheckAllRead();
  return chain;
}

// Silent stems [S, C, T] at 44.1 kHz.
struct Audio {
  Audio(int stems, int channels, std::int64_t frames, int sample_rate_hz = 44100)
      : samples(static_cast<std::size_t>(stems * channels * frames)),
        block{.data = samples.data(),
              .stems = stems,
              .channels = channels,
              .frames = frames,
              .sample_rate_hz = sample_rate_hz} {}
  Audio(const Audio&) = delete;

  void AddSine(int stem, double frequency_hz, double amplitude) {
    for (int c = 0; c < block.channels; ++c)
      for (std::int64_t i = 0; i < block.frames; ++i)
        block.channel(stem, c)[i] +=
            static_cast<float>(amplitude * std::sin(2.0 * std::numbers::pi * frequency_hz *
                                                    static_cast<double>(i) / block.sample_rate_hz));
  }
  void AddNoise(int stem, double amplitude, std::uint64_t seed = 1) {
    RandomStream random({seed, static_cast<std::uint64_t>(stem)});
    for (std::int64_t i = 0; i < block.channels * block.frames; ++i)
      block.channel(stem, 0)[i] += static_cast<float>(random.Uniform(-amplitude, amplitude));
  }
  void Apply(const AugmentChain& chain, std::uint64_t seed = 1) {
    chain.Apply(block, RandomStream({seed}));
  }

  // Amplitude of one frequency in a channel, from `begin` on (Hann window).
  double Amplitude(int stem, int channel, double frequency_hz, std::int64_t begin) const {
    double real = 0.0, imaginary = 0.0, weight = 0.0;
    const auto length = static_cast<double>(block.frames - begin);
    for (std::int64_t i = begin; i < block.frames; ++i) {
      const double window =
          0.5 - 0.5 * std::cos(2.0 * std::numbers::pi * static_cast<double>(i - begin) / length);
      const double phase =
          2.0 * std::numbers::pi * frequency_hz * static_cast<double>(i) / block.sample_rate_hz;
      const double value = window * static_cast<double>(block.channel(stem, channel)[i]);
      real += value * std::cos(phase);
      imaginary += value * std::sin(phase);
      weight += window;
    }
    return 2.0 * std::hypot(real, imaginary) / weight;
  }
  double Rms(int stem, int channel) const {
    double sum = 0.0;
    for (std::int64_t i = 0; i < block.frames; ++i)
      sum += std::pow(static_cast<double>(block.channel(stem, channel)[i]), 2);
    return std::sqrt(sum / static_cast<double>(block.frames));
  }

  std::vector<float> samples;
  StemBlock block;
};

inline double Decibel(double ratio) { return 20.0 * std::log10(ratio); }

}  // namespace stemsmith
