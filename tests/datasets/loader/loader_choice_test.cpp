// Which segments the loader gives: by level, balanced over stems, passed over where damaged; and
// what it reads for plans of all kinds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <set>
#include <sstream>

#include "datasets/cache/track.h"
#include "datasets/loader/loader.h"
#include "tests/datasets/loader/loader_fixture.h"
#include "tests/support/flips.h"
#include "tests/support/heard.h"

namespace stemsmith {
namespace {

using ::testing::HasSubstr;

// Songs of 40 s at 1 kHz, mono, three stems: the first sounds in the first quarter of each, the
// second in the last half, the third always; song "plain" lacks the first.
class LoaderChoiceTest : public ::testing::Test {
 protected:
  static constexpr std::int64_t kFrames = 40'000;
  LoaderChoiceTest() {
    CacheBuilder builder(folder_ / "cache.h5", {.stems = {"drums", "bass", "rest"},
                                                .sample_rate_hz = kRate,
                                                .channels = 1,
                                                .sample_type = CacheSampleType::kFloat32});
    for (const std::string name : {"full", "plain"}) {
      std::vector<float> audio(3 * kFrames, 0.0f);
      if (name == "full") std::fill_n(audio.begin(), kFrames / 4, 0.1f);
      std::fill_n(audio.begin() + kFrames + kFrames / 2, kFrames / 2, 0.1f);
      std::fill_n(audio.begin() + 2 * kFrames, kFrames, 0.1f);
      builder.AddTrack(name, "train", audio);
    }
    builder.Finish();
    cache_ = std::make_unique<CacheReader>(folder_ / "cache.h5");
  }

  static LoaderOptions Options() {
    return {.segment_frames = 2000,
            .batch_size = 10,
            .samples_per_epoch = 300,
            .seed = 3,
            .threads = 2,
            .prefetch_batches = 2};
  }

  struct Heard {
    std::string track;
    bool sounds[3];
    bool operator==(const Heard&) const = default;
  };
  // Of one epoch: the song, and which stems reach -40 dB.
  std::vector<Heard> Listen(const LoaderOptions& options, AugmentChain augment = {}) {
    Loader loader(*cache_, std::move(augment), options);
    std::vector<Heard> all;
    for (std::int64_t k = 0; k < loader.batches_per_epoch(); ++k) {
      const auto batch = loader.Next();
      for (std::int64_t b = 0; b < batch->batch; ++b) {
        Heard heard{.track = batch->tracks[b]};
        for (int s = 0; s < 3; ++s) {
          const float* stem = batch->stem_audio.data() + (b * 3 + s) * batch->frames;
          double sum = 0;
          for (std::int64_t t = 0; t < batch->frames; ++t) sum += double{stem[t]} * stem[t];
          heard.sounds[s] = sum / static_cast<double>(batch->frames) > 1e-4;
        }
        all.push_back(heard);
      }
    }
    return all;
  }

  testing::TemporaryFolder folder_;
  std::unique_ptr<CacheReader> cache_;
};

int Count(const std::vector<bool>& values) {
  return static_cast<int>(std::count(values.begin(), values.end(), true));
}

TEST_F(LoaderChoiceTest, TakesSegmentsWhereStemsSoundThatTheSongHas) {
  LoaderOptions options = Options();
  options.min_rms_db = -40;
  std::set<std::string> songs;
  for (const Heard& heard : Listen(options)) {
    songs.insert(heard.track);
    // "full" never has both; the best is one of the two, with the third.
    EXPECT_TRUE(heard.sounds[2]);
    EXPECT_TRUE(heard.sounds[0] || heard.sounds[1]);
    EXPECT_TRUE(heard.track != "plain" || heard.sounds[1]);
  }
  EXPECT_THAT(songs, ::testing::Contains("plain"));  // its missing stem is excused
  // Without it a quarter of each song at least is without both.
  int without = 0;
  for (const Heard& heard : Listen(Options())) without += !heard.sounds[0] && !heard.sounds[1];
  EXPECT_GT(without, 60);
}

TEST_F(LoaderChoiceTest, LetsEveryStemSoundEquallyOftenWhereAsked) {
  LoaderOptions options = Options();
  options.balance_stems = true;
  options.min_rms_db = -40;
  const auto drums = [&](const LoaderOptions& of) {
    std::vector<bool> sounds;
    for (const Heard& heard : Listen(of)) sounds.push_back(heard.sounds[0]);
    return Count(sounds);
  };
  // An eighth of the audio has drums; now a third of the samples must.
  EXPECT_NEAR(drums(Options()), 300 / 8, 12);
  EXPECT_GE(drums(options), 100);
  options.min_rms_db = kAnyLevelDb;
  EXPECT_GE(drums(options), 100);
}

TEST_F(LoaderChoiceTest, JudgesStemsWhereAugmentationPutThem) {
  LoaderOptions options = Options();
  options.balance_stems = true;
  options.min_rms_db = -40;
  const Config config = Config::Parse("augment: [{name: remix}]", "test.yaml");
  int drums = 0;
  for (const Heard& heard : Listen(options, AugmentChain(config.List("augment"))))
    drums += heard.sounds[0];
  EXPECT_GE(drums, 100);
}

TEST_F(LoaderChoiceTest, ChoosesTheSameForAnyNumberOfThreads) {
  LoaderOptions options = Options();
  options.min_rms_db = -40;
  options.threads = 1;
  const std::vector<Heard> expected = Listen(options);
  options.threads = 5;
  EXPECT_EQ(Listen(options), expected);
}

TEST_F(LoaderChoiceTest, TakesWhatThereIsWhereNothingSounds) {
  LoaderOptions options = Options();
  options.min_rms_db = 0;
  options.samples_per_epoch = 10;
  EXPECT_EQ(Listen(options).size(), 10u);
}

// What LoaderTest's cache lacks after this: the middle of song "a" (its only chunk).
void Damage(const testing::TemporaryFolder& folder) {
  const auto path = CacheTrackFolder(folder / "cache.h5") / CacheTrackFileName("a");
  const TrackLayout layout = ReadTrackLayout(path);
  testing::Overwrite(path, layout.offsets[0] + 500, "this is not audio");
}

TEST_F(LoaderTest, PassesOverDamageAndSaysSoOnce) {
  Damage(folder_);
  LoaderOptions options = Options();
  options.on_bad_draw = OnBadDraw::kSkip;
  std::vector<Content> taken[2];
  testing::Heard heard;
  options.warn = heard.host().warn;
  for (int i = 0; i < 2; ++i) {
    options.threads = i == 0 ? 1 : 4;
    Loader loader = Make(options);
    taken[i] = Take(loader, 6);
    EXPECT_GE(loader.skipped_draws(), 20);  // five sixths of the audio are damaged
  }
  EXPECT_EQ(taken[0], taken[1]);
  for (const Content& batch : taken[0]) {
    for (const float sample : batch.second) {
      ASSERT_TRUE(sample == 0 || Decoded(sample).track == 1 || Decoded(sample).track == 2);
    }
  }
  const std::string text = heard.Take();
  EXPECT_THAT(text, HasSubstr("song \"a\" at 0.0 s"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2) << text;  // once a loader
}

TEST_F(LoaderTest, GivesUpWhereEverythingIsDamaged) {
  for (const char* name : {"a", "b", "c"})
    std::filesystem::resize_file(CacheTrackFolder(folder_ / "cache.h5") / CacheTrackFileName(name),
                                 50);
  LoaderOptions options = Options();
  options.on_bad_draw = OnBadDraw::kSkip;
  testing::Heard heard;
  options.warn = heard.host().warn;
  {
    Loader loader = Make(options);
    EXPECT_THROW(loader.Next(), DamagedAudio);
  }
}

TEST_F(LoaderTest, ReadsPlansThatMixStemsOfOneTrack) {
  class Places : public Augmentation {
   public:
    void Plan(ReadPlan& plan, const TrackTable&, RandomStream&) const override {
      plan.stems = {{.track = 0, .start_frame = 100},
                    {.track = 1, .start_frame = 10},
                    {.track = 0, .start_frame = 300}};
      plan.extras = {{.stem = 1, .piece = {.track = 0, .start_frame = 7}, .factor = 0.5f}};
    }
  };
  AugmentChain chain;
  chain.Add("places", 1.0, std::make_shared<Places>());
  Loader loader = Make(Options(), chain);
  const auto batch = loader.Next();
  for (int c = 0; c < kChannels; ++c) {
    for (std::int64_t t = 0; t < kSegment; ++t) {
      const float* at = batch->stem_audio.data() + c * kSegment + t;
      ASSERT_EQ(at[0], Coded(0, 0, c, 100 + t));
      ASSERT_EQ(at[kChannels * kSegment], Coded(1, 1, c, 10 + t) + 0.5f * Coded(0, 1, c, 7 + t));
      ASSERT_EQ(at[2 * kChannels * kSegment], Coded(0, 2, c, 300 + t));
    }
  }
}

TEST_F(LoaderTest, ReadsMoreForAugmentationsThatShorten) {
  // Takes 100 frames more and drops every fifth of them.
  class Faster : public Augmentation {
   public:
    void Plan(ReadPlan& plan, const TrackTable&, RandomStream&) const override {
      plan.stems.assign(kStems, {.track = 0, .start_frame = 1000});
      plan.frames += 100;
    }
    void Apply(StemBlock& block, RandomStream&) const override {
      float* out = block.data;
      for (std::int64_t row = 0; row < block.stems * block.channels; ++row)
        for (std::int64_t t = 0; t < block.frames; ++t)
          if (t % 5 != 4) *out++ = block.data[row * block.frames + t];
      block.frames = block.frames * 4 / 5;
    }
  };
  AugmentChain chain;
  chain.Add("faster", 1.0, std::make_shared<Faster>());
  Loader loader = Make(Options(), chain);
  const auto batch = loader.Next();
  ASSERT_EQ(batch->frames, kSegment);
  for (int row = 0; row < kStems * kChannels; ++row)
    for (std::int64_t t = 0; t < kSegment; ++t)
      ASSERT_EQ(batch->stem_audio[row * kSegment + t],
                Coded(0, row / kChannels, row % kChannels, 1000 + t / 4 * 5 + t % 4));
}

TEST_F(LoaderTest, HoldsAsFewBatchesAsFitIntoTheMemoryStated) {
  LoaderOptions options = Options();
  options.batch_size = 64;
  options.prefetch_batches = 8;
  // Stems and mixture of 64 samples of 400 frames, stereo: 0.78 MiB.
  const double batch_mb = 64.0 * (kStems + 1) * kChannels * kSegment * 4 / (1 << 20);
  options.memory_mb = 5;
  {
    // 5 MiB less the two threads' buffers of 0.5 MiB each hold five batches, one of them ours.
    Loader loader = Make(options, AllAugmentations());
    EXPECT_EQ(loader.prefetch_batches(), 4);
    for (int k = 0; k < 20; ++k) {
      const auto batch = loader.Next();
      EXPECT_LE(static_cast<double>(loader.live_batches()) * batch_mb, 5.0);
    }
    const auto held = loader.Next();
    EXPECT_TRUE(Within10s([&] { return loader.live_batches() == 5; }));
  }
  options.memory_mb = 1000;
  EXPECT_EQ(Make(options).prefetch_batches(), 8);
  options.memory_mb = 2;
  EXPECT_THAT(Refusal(options), HasSubstr("memory_mb of 2"));
  EXPECT_THAT(Refusal(options), HasSubstr("give at least 3"));
}

TEST_F(LoaderTest, RefusesLevelsOutOfRange) {
  LoaderOptions options = Options();
  options.min_rms_db = 3;
  EXPECT_THAT(Refusal(options), HasSubstr("min_rms_db is 3"));
  options.min_rms_db = std::nan("");
  EXPECT_THAT(Refusal(options), HasSubstr("min_rms_db"));
}

}  // namespace
}  // namespace stemsmith
