// How the loader behaves as a machine of threads and buffers: errors, memory, shutdown, waiting.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <stdexcept>

#include "datasets/loader/loader.h"
#include "tests/datasets/loader/loader_fixture.h"
#include "tests/support/error_of.h"
#include "tests/support/flips.h"

namespace stemsmith {
namespace {

using ::testing::HasSubstr;

struct Broken : std::runtime_error {
  Broken(int of, const std::string& what) : std::runtime_error(what), code(of) {}
  int code;
};

TEST_F(LoaderTest, ThrowsWhatAWorkerThrewInPlaceOfTheBatch) {
  // Fails in every sample that starts with an odd frame: sooner or later in most batches.
  const auto fails = [](StemBlock& block, RandomStream&) {
    const std::int64_t frame = Decoded(block.data[0]).frame;
    if (frame % 2 == 1) throw Broken(static_cast<int>(frame), "frame " + std::to_string(frame));
  };
  LoaderOptions options = Options();
  options.batch_size = 2;
  std::vector<int> codes[2];
  for (int i = 0; i < 2; ++i) {
    options.threads = i == 0 ? 1 : 4;
    Loader loader = Make(options, ChainOf(fails));
    for (std::int64_t k = 0; k < 24; ++k) {
      try {
        const auto batch = loader.Next();
        EXPECT_EQ(batch->index, k % 12);
        codes[i].push_back(0);
      } catch (const Broken& error) {
        EXPECT_EQ(error.what(), "frame " + std::to_string(error.code));
        codes[i].push_back(error.code);
      }
      EXPECT_EQ(loader.position().batch, (k + 1) % 12);
    }
  }
  EXPECT_EQ(codes[0], codes[1]);
  EXPECT_THAT(codes[0], ::testing::Contains(0));
  EXPECT_THAT(codes[0], ::testing::Contains(::testing::Gt(0)));
}

TEST_F(LoaderTest, ThrowsTheFirstErrorOfABatchWhicheverComesFirst) {
  LoaderOptions options = Options(4);
  float first = 0;
  {
    Loader loader = Make(options);
    first = loader.Next()->stem_audio[0];
  }
  Loader loader = Make(options, ChainOf([&](StemBlock& block, RandomStream&) {
                         if (block.data[0] == first) Sleep(30);
                         throw Broken(static_cast<int>(block.data[0]), "");
                       }));
  try {
    loader.Next();
    FAIL() << "no sample could be made";
  } catch (const Broken& error) {
    EXPECT_EQ(error.code, static_cast<int>(first));
  }
}

TEST_F(LoaderTest, ReportsADamagedCacheWithItsTrack) {
  const auto path = CacheTrackFolder(folder_ / "cache.h5") / CacheTrackFileName("a");
  testing::Overwrite(path, std::filesystem::file_size(path) / 2, "this is not audio");
  Loader loader = Make(Options());
  EXPECT_THAT(testing::MessageOf([&] {
                for (int k = 0; k < 6; ++k) loader.Next();
              }),
              HasSubstr("song \"a\""));
}

TEST_F(LoaderTest, StopsAheadAtTheBoundWhenTheCallerIsSlow) {
  std::atomic<int> samples = 0;
  Loader loader = Make(Options(4), ChainOf([&](StemBlock&, RandomStream&) { ++samples; }));
  // Three batches of four, and not a sample more.
  EXPECT_TRUE(Within10s([&] { return samples == 12; }));
  Sleep(30);
  EXPECT_EQ(samples, 12);
  EXPECT_EQ(loader.live_batches(), 3);
  auto held = loader.Next();
  EXPECT_TRUE(Within10s([&] { return samples == 16; }));
  Sleep(30);
  EXPECT_EQ(samples, 16);
  EXPECT_EQ(loader.live_batches(), 4);
}

TEST_F(LoaderTest, KeepsMemoryBoundByPrefetchAndWhatIsHeld) {
  Loader loader = Make(Options(4), AllAugmentations());
  for (int k = 0; k < 100; ++k) {
    const auto batch = loader.Next();
    ASSERT_LE(loader.live_batches(), 3 + 1);
    if (k % 17 == 0) loader.Seek({.epoch = 1, .batch = k % 6});
    ASSERT_LE(loader.live_batches(), 3 + 1);
  }
  std::vector<std::shared_ptr<const Batch>> held;
  for (int k = 0; k < 5; ++k) held.push_back(loader.Next());
  EXPECT_LE(loader.live_batches(), 3 + 5);
  held.clear();
  for (int k = 0; k < 50; ++k) loader.Next();
  EXPECT_LE(loader.live_batches(), 3 + 5);
}

TEST_F(LoaderTest, LeavesHeldBatchesAlone) {
  Loader loader = Make(Options(4), AllAugmentations());
  std::vector<std::shared_ptr<const Batch>> held;
  std::vector<Content> copies;
  for (int k = 0; k < 4; ++k) {
    held.push_back(loader.Next());
    copies.emplace_back(held.back()->mix, held.back()->stem_audio);
  }
  Take(loader, 20);
  for (int k = 0; k < 4; ++k) {
    EXPECT_EQ(held[k]->mix, copies[k].first);
    EXPECT_EQ(held[k]->stem_audio, copies[k].second);
  }
}

TEST_F(LoaderTest, ReusesBuffersThatWereHandedBack) {
  Loader loader = Make(Options());
  std::map<const float*, int> addresses;
  for (int k = 0; k < 40; ++k) ++addresses[loader.Next()->stem_audio.data()];
  EXPECT_LE(addresses.size(), 4u);
}

TEST_F(LoaderTest, BatchesOutliveTheLoader) {
  auto loader = std::make_unique<Loader>(*cache_, AllAugmentations(), Options(4));
  auto first = loader->Next(), second = loader->Next();
  const std::vector<float> copy = first->stem_audio;
  second.reset();
  loader.reset();
  EXPECT_EQ(first->stem_audio, copy);
  first.reset();
}

TEST_F(LoaderTest, EndsWhileWorkersAreBusy) {
  for (int i = 0; i < 20; ++i) {
    std::atomic<int> samples = 0;
    Loader loader = Make(Options(4), ChainOf([&](StemBlock&, RandomStream&) {
                           ++samples;
                           Sleep(2);
                         }));
    if (i % 2 == 0) {
      Within10s([&] { return samples > 0; });
    }
    if (i % 4 == 0) loader.Next();
  }
}

TEST_F(LoaderTest, LetsAllWorkersFillOneBatch) {
  std::atomic<int> inside = 0, most = 0;
  LoaderOptions options = Options(4);
  options.prefetch_batches = 1;
  Loader loader = Make(options, ChainOf([&](StemBlock&, RandomStream&) {
                         const int now = ++inside;
                         int before = most;
                         while (before < now && !most.compare_exchange_weak(before, now)) {
                         }
                         for (int i = 0; i < 500 && most < 4; ++i) Sleep(2);
                         --inside;
                       }));
  loader.Next();
  EXPECT_EQ(most, 4);
}

TEST_F(LoaderTest, CountsTheSecondsThatNextWaits) {
  std::atomic<int> milliseconds = 20, samples = 0;
  Loader loader = Make(Options(1), ChainOf([&](StemBlock&, RandomStream&) {
                         Sleep(milliseconds);
                         ++samples;
                       }));
  loader.Next();
  EXPECT_GT(loader.seconds_waited(), 0.05);
  milliseconds = 0;
  Take(loader, 3);
  EXPECT_TRUE(Within10s([&] { return samples == 7 * 4; }));
  Sleep(50);
  const double before = loader.seconds_waited();
  loader.Next();  // lies ready
  EXPECT_EQ(loader.seconds_waited(), before);
}

}  // namespace
}  // namespace stemsmith
