// A small cache whose samples say where they come from, and what the loader's tests share.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "datasets/cache/builder.h"
#include "datasets/loader/loader.h"
#include "tests/support/error_of.h"
#include "tests/support/lambda_augmentation.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {

inline constexpr int kStems = 3, kChannels = 2, kRate = 1000;
inline constexpr std::int64_t kSegment = 400;

// A sample of the test cache says where it comes from; exact in float32.
inline float Coded(int track, int stem, int channel, std::int64_t frame) {
  return static_cast<float>(((track * kStems + stem) * kChannels + channel) * 10000 + frame + 1);
}
struct Origin {
  int track, stem, channel;
  std::int64_t frame;
};
inline Origin Decoded(float sample) {
  const auto code = static_cast<std::int64_t>(sample) - 1;
  const auto row = static_cast<int>(code / 10000);
  return {row / (kStems * kChannels), row / kChannels % kStems, row % kChannels, code % 10000};
}

// Tracks 0 to 2 ("a": 5000 frames, "b": 900, "c": 150) in split train, "v" (100 frames) in valid.
class LoaderTest : public ::testing::Test {
 protected:
  LoaderTest() {
    const TrackFormat format{.stems = {"drums", "bass", "rest"},
                             .sample_rate_hz = kRate,
                             .channels = kChannels,
                             .sample_type = CacheSampleType::kFloat32};
    CacheBuilder builder(folder_ / "cache.h5", format);
    AddTrack(builder, 0, "a", "train", 5000);
    AddTrack(builder, 1, "b", "train", 900);
    AddTrack(builder, 2, "c", "train", 150);
    AddTrack(builder, 3, "v", "valid", 100);
    builder.Finish();
    cache_ = std::make_unique<CacheReader>(folder_ / "cache.h5");
  }

  static void AddTrack(CacheBuilder& builder, int track, const char* name, const char* split,
                       std::int64_t frames) {
    std::vector<float> audio;
    for (int s = 0; s < kStems; ++s)
      for (int c = 0; c < kChannels; ++c)
        for (std::int64_t t = 0; t < frames; ++t) audio.push_back(Coded(track, s, c, t));
    builder.AddTrack(name, split, audio);
  }

  static LoaderOptions Options(int threads = 2) {
    return {.segment_frames = kSegment,
            .batch_size = 4,
            .samples_per_epoch = 24,
            .seed = 5,
            .threads = threads,
            .prefetch_batches = 3};
  }

  Loader Make(const LoaderOptions& options, AugmentChain augment = {}) {
    return Loader(*cache_, std::move(augment), options);
  }

  std::string Refusal(const LoaderOptions& options) {
    return testing::MessageOf([&] { Make(options); });
  }

  testing::TemporaryFolder folder_;
  std::unique_ptr<CacheReader> cache_;
};

inline AugmentChain AllAugmentations() {
  const Config config = Config::Parse(
      "augment: [{name: remix, probability: 0.5}, {name: shift, max_seconds: 0.2}, {name: gain},"
      " {name: channel_swap}, {name: polarity}]",
      "test.yaml");
  return AugmentChain(config.List("augment"));
}

inline AugmentChain ChainOf(testing::LambdaAugmentation::Function function) {
  AugmentChain chain;
  chain.Add("test", 1.0, std::make_shared<testing::LambdaAugmentation>(std::move(function)));
  return chain;
}

// What a batch holds, to compare.
using Content = std::pair<std::vector<float>, std::vector<float>>;
inline std::vector<Content> Take(Loader& loader, int batches) {
  std::vector<Content> taken;
  for (int i = 0; i < batches; ++i) {
    const auto batch = loader.Next();
    taken.emplace_back(batch->mix, batch->stem_audio);
  }
  return taken;
}

inline void Sleep(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

// Whether the condition comes true within ten seconds.
inline bool Within10s(const std::function<bool()>& condition) {
  for (int i = 0; i < 5000 && !condition(); ++i) Sleep(2);
  return condition();
}

}  // namespace stemsmith
