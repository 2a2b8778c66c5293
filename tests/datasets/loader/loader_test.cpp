// What the loader gives: samples, streams, ranks, positions, errors of its options.
#include "datasets/loader/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/datasets/loader/loader_fixture.h"

namespace stemsmith {
namespace {

using ::testing::HasSubstr;

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

TEST_F(LoaderTest, SaysWhichSplitsThereAre) {
  LoaderOptions options = Options();
  options.split = "trian";
  const std::string message = Refusal(options);
  EXPECT_THAT(message, HasSubstr("\"trian\""));
  EXPECT_THAT(message, HasSubstr("\"train\", \"valid\""));
}

TEST_F(LoaderTest, SaysHowLongTheLongestTrackIs) {
  LoaderOptions options = Options();
  options.split = "valid";
  const std::string message = Refusal(options);
  EXPECT_THAT(message, HasSubstr("0.40 s"));
  EXPECT_THAT(message, HasSubstr("0.10 s"));
}

TEST_F(LoaderTest, RefusesOptionsOutOfRange) {
  const auto with = [](const std::function<void(LoaderOptions&)>& change) {
    LoaderOptions options = Options();
    change(options);
    return options;
  };
  EXPECT_THAT(Refusal(with([](auto& o) { o.threads = 0; })), HasSubstr("threads is 0"));
  EXPECT_THAT(Refusal(with([](auto& o) { o.batch_size = 0; })), HasSubstr("batch_size"));
  EXPECT_THAT(Refusal(with([](auto& o) { o.prefetch_batches = 0; })), HasSubstr("prefetch"));
  EXPECT_THAT(Refusal(with([](auto& o) { o.segment_frames = -5; })), HasSubstr("segment"));
  EXPECT_THAT(Refusal(with([](auto& o) { o.samples_per_epoch = -1; })), HasSubstr("samples"));
  EXPECT_THAT(Refusal(with([](auto& o) { o.world_size = 0; })), HasSubstr("world_size"));
  EXPECT_THAT(Refusal(with([](auto& o) { o.rank = 1; })), HasSubstr("rank is 1"));
}

TEST_F(LoaderTest, RefusesPositionsTheEpochDoesNotHave) {
  Loader loader = Make(Options());
  EXPECT_THROW(loader.Seek({.epoch = 0, .batch = 6}), Error);
  EXPECT_THROW(loader.Seek({.epoch = 0, .batch = -1}), Error);
  EXPECT_EQ(loader.Next()->index, 0);  // undisturbed
}

}  // namespace
}  // namespace stemsmith
