// Songs in memory and models that are functions, for tests of streams.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include "separate/manifest.h"
#include "separate/stem_stream.h"
#include "tests/support/models/tiny_onnx.h"

namespace stemsmith::testing {

// Interleaved samples as a reader; like a real one it may give less than it is asked for.
class MemoryReader : public AudioReader {
 public:
  MemoryReader(std::vector<float> samples, int channels, int rate, bool says_length = true)
      : samples_(std::move(samples)) {
    info_.channels = channels;
    info_.sample_rate_hz = rate;
    if (says_length) info_.frames = static_cast<std::int64_t>(samples_.size()) / channels;
  }
  const AudioInfo& info() const override { return info_; }
  std::size_t Read(float* out, std::size_t frames) override {
    const std::size_t channels = static_cast<std::size_t>(info_.channels);
    const std::size_t count =
        std::min({frames, std::size_t{5000}, (samples_.size() - position_) / channels});
    std::copy_n(samples_.begin() + static_cast<std::ptrdiff_t>(position_), count * channels, out);
    position_ += count * channels;
    return count;
  }
  void Rewind() override { position_ = 0; }

 private:
  std::vector<float> samples_;
  AudioInfo info_;
  std::size_t position_ = 0;
};

// A model written as a function of one batch entry: mix [C, T] → estimates [S, C, T].
class FunctionRuntime : public Runtime {
 public:
  using Function = std::function<void(const float* mix, std::int64_t frames, float* estimates)>;
  FunctionRuntime(Manifest manifest, Function function)
      : manifest_(std::move(manifest)), function_(std::move(function)) {}
  const Manifest& manifest() const override { return manifest_; }
  std::string description() const override { return "a function"; }
  void Run(const float* mix, std::int64_t batch, std::int64_t frames, float* estimates) override {
    const std::int64_t size = manifest_.channels * frames;
    const auto stems = static_cast<std::int64_t>(manifest_.stems.size());
    runs.push_back(frames);
    batches.push_back(batch);
    for (std::int64_t b = 0; b < batch; ++b)
      function_(mix + b * size, frames, estimates + b * stems * size);
  }
  int segments_at_once() const override { return at_once; }
  std::vector<std::int64_t> runs, batches;
  int at_once = 1;

 private:
  Manifest manifest_;
  Function function_;
};

inline std::vector<float> Noise(std::size_t count) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> value(-0.5f, 0.5f);
  std::vector<float> samples(count);
  for (float& sample : samples) sample = value(random);
  return samples;
}

// All of every stem, read in blocks of `block` frames.
inline std::vector<std::vector<float>> ReadStems(StemStream& stream, std::size_t block = 3000) {
  std::vector<std::vector<float>> stems(stream.stems().size()), blocks;
  while (const std::size_t count = stream.Read(block, blocks)) {
    EXPECT_LE(count, block);
    for (std::size_t s = 0; s < stems.size(); ++s) {
      EXPECT_EQ(blocks[s].size(), count * static_cast<std::size_t>(stream.info().channels));
      stems[s].insert(stems[s].end(), blocks[s].begin(), blocks[s].end());
    }
  }
  return stems;
}

inline float LargestDifference(const std::vector<float>& stem, const std::vector<float>& mix,
                               float gain) {
  float largest = 0;
  for (std::size_t i = 0; i < mix.size(); ++i) {
    largest = std::max(largest, std::abs(stem[i] - gain * mix[i]));
  }
  return largest;
}

// Segments of 0.1 s, so that a second is ten of them.
inline Manifest ShortSegments(int stems = 2) {
  Manifest manifest = TinyManifest(stems);
  manifest.segment_frames = 4410;
  return manifest;
}

}  // namespace stemsmith::testing
