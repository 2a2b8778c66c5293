#include "datasets/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <functional>
#include <map>
#include <stdexcept>
#include <thread>
#include <utility>

#include "core/error.h"
#include "datasets/cache_builder.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

using ::testing::HasSubstr;

constexpr int kStems = 3, kChannels = 2, kRate = 1000;
constexpr std::int64_t kSegment = 400;

// A sample of the test cache says where it comes from; exact in float32.
float Coded(int track, int stem, int channel, std::int64_t frame) {
  return static_cast<float>(((track * kStems + stem) * kChannels + channel) * 10000 + frame + 1);
}
struct Origin {
  int track, stem, channel;
  std::int64_t frame;
};
Origin Decoded(float sample) {
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

  std::string MessageOf(const LoaderOptions& options) {
    try {
      Make(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "(no error)";
  }

  testing::TemporaryFolder folder_;
  std::unique_ptr<CacheReader> cache_;
};

AugmentChain AllAugmentations() {
  const Config config = Config::Parse(
      "augment: [{name: remix, probability: 0.5}, {name: shift, max_seconds: 0.2}, {name: gain},"
      " {name: channel_swap}, {name: polarity}]",
      "test.yaml");
  return AugmentChain(config.List("augment"));
}

class Lambda : public Augmentation {
 public:
  using Function = std::function<void(StemBlock&, RandomStream&)>;
  explicit Lambda(Function apply) : apply_(std::move(apply)) {}
  void Apply(StemBlock& block, RandomStream& random) const override { apply_(block, random); }

 private:
  Function apply_;
};

AugmentChain ChainOf(Lambda::Function function) {
  AugmentChain chain;
  chain.Add("test", 1.0, std::make_shared<Lambda>(std::move(function)));
  return chain;
}

// What a batch holds, to compare.
using Content = std::pair<std::vector<float>, std::vector<float>>;
std::vector<Content> Take(Loader& loader, int batches) {
  std::vector<Content> taken;
  for (int i = 0; i < batches; ++i) {
    const auto batch = loader.Next();
    taken.emplace_back(batch->mix, batch->stem_audio);
  }
  return taken;
}

void Sleep(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

// Whether the condition comes true within ten seconds.
bool Within10s(const std::function<bool()>& condition) {
  for (int i = 0; i < 5000 && !condition(); ++i) Sleep(2);
  return condition();
}

TEST_F(LoaderTest, FillsBatchesWithSegmentsOfTheSplit) {
  Loader loader = Make(Options());
  EXPECT_EQ(loader.batches_per_epoch(), 6);
  std::map<std::string, int> drawn;
  for (int k = 0; k < 6; ++k) {
    const auto batch = loader.Next();
    EXPECT_EQ(batch->batch, 4);
    EXPECT_EQ(batch->stems, kStems);
    EXPECT_EQ(batch->channels, kChannels);
    EXPECT_EQ(batch->frames, kSegment);
    ASSERT_EQ(batch->stem_audio.size(), 4u * kStems * kChannels * kSegment);
    ASSERT_EQ(batch->mix.size(), 4u * kChannels * kSegment);
    ASSERT_EQ(batch->tracks.size(), 4u);
    for (int b = 0; b < 4; ++b) {
      const std::string& name = batch->tracks[b];
      ++drawn[name];
      const int track = name[0] - 'a';
      // The first audible frame shows where the segment lies; track c begins within it.
      const float* sample = batch->stem_audio.data() + b * kStems * kChannels * kSegment;
      const float* audible =
          std::find_if(sample, sample + kSegment, [](float x) { return x != 0; });
      ASSERT_NE(audible, sample + kSegment);
      const std::int64_t start = Decoded(*audible).frame - (audible - sample);
      const std::int64_t length = cache_->tracks()[track].frames;
      for (int s = 0; s < kStems; ++s) {
        for (int c = 0; c < kChannels; ++c) {
          for (std::int64_t t = 0; t < kSegment; ++t) {
            const std::int64_t frame = start + t;
            const bool inside = frame >= 0 && frame < length;
            ASSERT_EQ(*sample++, inside ? Coded(track, s, c, frame) : 0.0f);
          }
        }
      }
    }
  }
  // By length: 5000, 900 and 150 of 6050 frames in 24 samples.
  EXPECT_NEAR(drawn["a"], 20, 1);
  EXPECT_NEAR(drawn["b"], 3, 1);
  EXPECT_LE(drawn["c"], 1);
}

TEST_F(LoaderTest, HearsAllOfATrackThatIsShorterThanASegment) {
  LoaderOptions options = Options();
  options.samples_per_epoch = 4000;
  Loader loader = Make(options);
  int found = 0;
  for (std::int64_t k = 0; k < loader.batches_per_epoch(); ++k) {
    const auto batch = loader.Next();
    for (int b = 0; b < 4; ++b) {
      if (batch->tracks[b] != "c") continue;
      ++found;
      const float* sample = batch->stem_audio.data() + b * kStems * kChannels * kSegment;
      EXPECT_EQ(kSegment - std::count(sample, sample + kSegment, 0.0f), 150);
    }
  }
  EXPECT_NEAR(found, 4000 * 150 / 6050, 2);
}

TEST_F(LoaderTest, GivesTheSameBitsForAnyNumberOfThreads) {
  Loader one = Make(Options(1), AllAugmentations());
  const std::vector<Content> expected = Take(one, 12);  // two epochs
  for (const int threads : {2, 4, 7}) {
    Loader loader = Make(Options(threads), AllAugmentations());
    EXPECT_EQ(Take(loader, 12), expected) << threads << " threads";
  }
  LoaderOptions narrow = Options(4);
  narrow.prefetch_batches = 1;
  Loader loader = Make(narrow, AllAugmentations());
  EXPECT_EQ(Take(loader, 12), expected);
}

TEST_F(LoaderTest, GivesOtherBatchesForOtherSeedsAndEpochs) {
  Loader loader = Make(Options(), AllAugmentations());
  const std::vector<Content> first = Take(loader, 6), second = Take(loader, 6);
  LoaderOptions options = Options();
  options.seed = 6;
  Loader other = Make(options, AllAugmentations());
  const std::vector<Content> elsewhere = Take(other, 6);
  for (int k = 0; k < 6; ++k) {
    EXPECT_NE(first[k], second[k]);
    EXPECT_NE(first[k], elsewhere[k]);
  }
}

TEST_F(LoaderTest, CountsBatchesAndRunsOnIntoTheNextEpoch) {
  Loader loader = Make(Options());
  for (std::int64_t i = 0; i < 15; ++i) {
    const LoaderPosition here{.epoch = static_cast<std::uint64_t>(i / 6), .batch = i % 6};
    EXPECT_EQ(loader.position(), here);
    const auto batch = loader.Next();
    EXPECT_EQ(batch->epoch, here.epoch);
    EXPECT_EQ(batch->index, here.batch);
  }
}

TEST_F(LoaderTest, ResumesInMidEpochWithTheSameSamples) {
  Loader whole = Make(Options(), AllAugmentations());
  Take(whole, 9);
  const LoaderPosition position = whole.position();
  const std::vector<Content> rest = Take(whole, 8);

  Loader resumed = Make(Options(4), AllAugmentations());
  resumed.Seek(position);
  EXPECT_EQ(resumed.position(), position);
  EXPECT_EQ(Take(resumed, 8), rest);
  // Back again, with the prefetched batches in the way.
  resumed.Seek(position);
  EXPECT_EQ(Take(resumed, 3), std::vector<Content>(rest.begin(), rest.begin() + 3));
  for (int i = 0; i < 20; ++i) {
    resumed.Seek({.epoch = 7, .batch = i % 6});
    if (i % 3 == 0) Sleep(1);
  }
  resumed.Seek(position);
  EXPECT_EQ(Take(resumed, 8), rest);
}

TEST_F(LoaderTest, SharesSamplesAmongRanks) {
  LoaderOptions options = Options();
  options.batch_size = 6;
  Loader whole = Make(options, AllAugmentations());
  const std::vector<Content> expected = Take(whole, 8);
  options.world_size = 3;
  options.batch_size = 2;
  const std::size_t size = kStems * kChannels * kSegment;
  for (int rank = 0; rank < 3; ++rank) {
    options.rank = rank;
    Loader share = Make(options, AllAugmentations());
    EXPECT_EQ(share.batches_per_epoch(), whole.batches_per_epoch());
    for (int k = 0; k < 8; ++k) {
      const auto batch = share.Next();
      for (int b = 0; b < 2; ++b) {
        // Sample b of this rank is sample 3 b + rank of all.
        const auto from = expected[k].second.begin() + (3 * b + rank) * size;
        EXPECT_TRUE(std::equal(from, from + size, batch->stem_audio.begin() + b * size));
      }
    }
  }
}

TEST_F(LoaderTest, SumsTheMixtureAfterAugmentation) {
  Loader loader = Make(Options(), AllAugmentations());
  for (int k = 0; k < 6; ++k) {
    const auto batch = loader.Next();
    const std::int64_t size = kChannels * kSegment;
    for (int b = 0; b < 4; ++b) {
      for (std::int64_t i = 0; i < size; ++i) {
        const float* stem = batch->stem_audio.data() + b * kStems * size + i;
        ASSERT_EQ(batch->mix[b * size + i], stem[0] + stem[size] + stem[2 * size]);
      }
    }
  }
}

TEST_F(LoaderTest, ReadsEachStemFromWhereThePlanSays) {
  class Places : public Augmentation {
   public:
    void Plan(ReadPlan& plan, const TrackTable& tracks, RandomStream&) const override {
      ASSERT_EQ(tracks.size(), 3u);
      ASSERT_EQ(tracks.frames(1), 900);
      ASSERT_EQ(tracks.sample_rate_hz(), kRate);
      plan.stems = {{.track = 1, .start_frame = 20},
                    {.track = 0, .start_frame = 4000},
                    {.track = 1, .start_frame = 700}};
    }
  };
  AugmentChain chain;
  chain.Add("places", 1.0, std::make_shared<Places>());
  Loader loader = Make(Options(), chain);
  const auto batch = loader.Next();
  const auto at = [&](int s, int c, std::int64_t t) {
    return batch->stem_audio[(s * kChannels + c) * kSegment + t];
  };
  EXPECT_EQ(batch->tracks[0], "b");
  EXPECT_EQ(at(0, 1, 7), Coded(1, 0, 1, 27));
  EXPECT_EQ(at(1, 0, 399), Coded(0, 1, 0, 4399));
  EXPECT_EQ(at(2, 1, 199), Coded(1, 2, 1, 899));
  EXPECT_EQ(at(2, 1, 200), 0.0f);  // past the end
}

TEST_F(LoaderTest, RemixesOnlyWithinTheSplit) {
  LoaderOptions options = Options();
  options.split = "valid";
  options.segment_frames = 50;
  const Config config = Config::Parse("augment: [{name: remix}]", "test.yaml");
  Loader loader = Make(options, AugmentChain(config.List("augment")));
  const auto batch = loader.Next();
  for (const float sample : batch->stem_audio) ASSERT_EQ(Decoded(sample).track, 3);
}

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
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(path) / 2));
  file << "this is not audio";
  file.close();
  Loader loader = Make(Options());
  try {
    for (int k = 0; k < 6; ++k) loader.Next();
    FAIL() << "damaged audio was given out";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("song \"a\""));
  }
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

TEST_F(LoaderTest, SaysWhichSplitsThereAre) {
  LoaderOptions options = Options();
  options.split = "trian";
  const std::string message = MessageOf(options);
  EXPECT_THAT(message, HasSubstr("\"trian\""));
  EXPECT_THAT(message, HasSubstr("\"train\", \"valid\""));
}

TEST_F(LoaderTest, SaysHowLongTheLongestTrackIs) {
  LoaderOptions options = Options();
  options.split = "valid";
  const std::string message = MessageOf(options);
  EXPECT_THAT(message, HasSubstr("0.40 s"));
  EXPECT_THAT(message, HasSubstr("0.10 s"));
}

TEST_F(LoaderTest, RefusesOptionsOutOfRange) {
  const auto with = [](const std::function<void(LoaderOptions&)>& change) {
    LoaderOptions options = Options();
    change(options);
    return options;
  };
  EXPECT_THAT(MessageOf(with([](auto& o) { o.threads = 0; })), HasSubstr("threads is 0"));
  EXPECT_THAT(MessageOf(with([](auto& o) { o.batch_size = 0; })), HasSubstr("batch_size"));
  EXPECT_THAT(MessageOf(with([](auto& o) { o.prefetch_batches = 0; })), HasSubstr("prefetch"));
  EXPECT_THAT(MessageOf(with([](auto& o) { o.segment_frames = -5; })), HasSubstr("segment"));
  EXPECT_THAT(MessageOf(with([](auto& o) { o.samples_per_epoch = -1; })), HasSubstr("samples"));
  EXPECT_THAT(MessageOf(with([](auto& o) { o.world_size = 0; })), HasSubstr("world_size"));
  EXPECT_THAT(MessageOf(with([](auto& o) { o.rank = 1; })), HasSubstr("rank is 1"));
}

TEST_F(LoaderTest, RefusesPositionsTheEpochDoesNotHave) {
  Loader loader = Make(Options());
  EXPECT_THROW(loader.Seek({.epoch = 0, .batch = 6}), Error);
  EXPECT_THROW(loader.Seek({.epoch = 0, .batch = -1}), Error);
  EXPECT_EQ(loader.Next()->index, 0);  // undisturbed
}

}  // namespace
}  // namespace stemsmith
