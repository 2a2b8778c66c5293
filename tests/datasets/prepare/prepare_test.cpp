// What `prepare` writes, and how it reports songs that cannot be used.
#include "datasets/prepare/prepare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "audio/encode.h"
#include "core/files.h"
#include "datasets/cache/cache.h"
#include "datasets/cache/index.h"
#include "datasets/cache/track.h"
#include "tests/datasets/prepare/prepare_fixture.h"

namespace stemsmith {
namespace {

using namespace prepare_fixture;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(PrepareTest, KeepsSixteenBitSourcesBitForBit) {
  Write("train/a/drums.wav", Noise(1));
  Write("train/a/bass.wav", Noise(2));
  Write("test/b/drums.wav", Noise(3));
  Write("test/b/bass.wav", Noise(4));
  const PrepareResult result = Prepare();
  EXPECT_EQ(result.made, 2u);
  EXPECT_TRUE(result.failures.empty());
  const CacheReader cache(out_ / "cache.h5");
  EXPECT_THAT(cache.stems(), ::testing::ElementsAre("drums", "bass"));
  EXPECT_EQ(cache.TracksOf("train").size(), 1u);
  EXPECT_EQ(cache.TracksOf("test").size(), 1u);
  EXPECT_EQ(ReadCacheIndex(out_ / "cache.h5").tracks[0].sample_type, CacheSampleType::kInt16);
  EXPECT_EQ(Stem("a", "drums"), Samples(Noise(1)));
  EXPECT_EQ(Stem("a", "bass"), Samples(Noise(2)));
  EXPECT_EQ(Stem("b", "bass"), Samples(Noise(4)));
}

TEST_F(PrepareTest, KeepsSourcesAtBothEndsOfFullScaleBitForBit) {
  AudioBuffer loud = Noise(1);
  loud.channel(0)[7] = -1.0f;
  loud.channel(1)[8] = 32767.0f / 32768.0f;
  Write("s/a.wav", loud);
  Prepare();
  EXPECT_EQ(Stem("s", "a"), Samples(loud));
}

TEST_F(PrepareTest, SumsSourcesByTheRecipeWithGains) {
  Write("s/drums.wav", Noise(1));
  Write("s/bass.wav", Noise(2));
  Write("s/keys.wav", Noise(3));
  PrepareWith("stems: {drums: {source: drums, gain_db: -6.0206}, accompaniment: rest}");
  const AudioBuffer drums = Noise(1), bass = Noise(2), keys = Noise(3);
  const std::vector<float> got_drums = Stem("s", "drums"), rest = Stem("s", "accompaniment");
  for (std::size_t i = 0; i < rest.size(); ++i) {
    ASSERT_NEAR(got_drums[i], drums.samples()[i] * 0.5f, 1.0 / 65536 + 1e-6);
    ASSERT_EQ(rest[i], bass.samples()[i] + keys.samples()[i]);
  }
}

TEST_F(PrepareTest, WritesSumsBeyondFullScaleWithALargerStepInsteadOfClipping) {
  Write("s/a.wav", Noise(1, kFrames, 2, 0.99f));
  Write("s/b.wav", Noise(1, kFrames, 2, 0.99f));
  PrepareWith("stems: {all: rest}");
  const AudioBuffer a = Noise(1, kFrames, 2, 0.99f);
  const std::vector<float> sum = Stem("s", "all");
  ASSERT_EQ(ReadCacheIndex(out_ / "cache.h5").tracks[0].sample_type, CacheSampleType::kInt16);
  for (std::size_t i = 0; i < sum.size(); ++i)
    ASSERT_NEAR(sum[i], 2 * a.samples()[i], 2.0 / 65534 + 1e-6);
}

TEST_F(PrepareTest, ChoosesFloatWhereASourceHasMoreThanSixteenBits) {
  AudioBuffer fine(2, kFrames);
  for (std::size_t i = 0; i < fine.samples().size(); ++i)
    fine.samples()[i] = 0.1f + 1e-7f * float(i % 100);
  Write("s/a.wav", fine, 44100, SampleFormat::kFloat32);
  Prepare();
  EXPECT_EQ(ReadCacheIndex(out_ / "cache.h5").tracks[0].sample_type, CacheSampleType::kFloat32);
  EXPECT_EQ(Stem("s", "a"), Samples(fine));
  PrepareOptions options = Options();
  options.format = CacheFormat::kInt16;
  EXPECT_EQ(PrepareCache(options).made, 1u);  // another format is another cache
  EXPECT_EQ(ReadCacheIndex(out_ / "cache.h5").tracks[0].sample_type, CacheSampleType::kInt16);
}

TEST_F(PrepareTest, MeasuresTheLoudnessOfEachStem) {
  AudioBuffer tone(2, 3 * 44100);
  for (int c = 0; c < 2; ++c) {
    for (std::size_t t = 0; t < tone.frames(); ++t)
      tone.channel(c)[t] = 0.1f * std::sin(2 * std::numbers::pi * 997 * t / 44100);
  }
  Write("s/a.wav", tone);
  Write("s/b.wav", AudioBuffer(2, 3 * 44100));
  Prepare();
  for (const TrackRecord& record :
       {ReadCacheIndex(out_ / "cache.h5").tracks[0], ReadTrackRecord(out_ / "cache.h5.d/s.h5")}) {
    ASSERT_EQ(record.loudness_lufs.size(), 2u);
    EXPECT_NEAR(record.loudness_lufs[0], -20.0, 0.1);
    EXPECT_EQ(record.loudness_lufs[1], kLowestRmsDb);
  }
  PrepareOptions options = Options();
  options.sample_rate_hz = 2000;  // too low for the standard's filters
  EXPECT_TRUE(PrepareCache(options).failures.empty());
  EXPECT_TRUE(ReadCacheIndex(out_ / "cache.h5").tracks[0].loudness_lufs.empty());
}

TEST_F(PrepareTest, KeepsHalvesAsNearAsElevenBitsCome) {
  Write("s/a.wav", Noise(1, kFrames, 2, 0.99f), 44100, SampleFormat::kFloat32);
  Write("s/b.wav", Noise(1, kFrames, 2, 0.99f), 44100, SampleFormat::kFloat32);
  PrepareOptions options = Options();
  options.format = CacheFormat::kFloat16;
  options.recipe = out_ / "recipe.yaml";
  WriteFileAtomically(options.recipe, "stems: {all: rest}");
  EXPECT_EQ(PrepareCache(options).made, 1u);
  const CacheIndex index = ReadCacheIndex(out_ / "cache.h5");
  EXPECT_EQ(index.tracks[0].sample_type, CacheSampleType::kFloat16);
  EXPECT_THAT(index.command, HasSubstr("--format float16"));
  const AudioBuffer a = Noise(1, kFrames, 2, 0.99f);
  const std::vector<float> sum = Stem("s", "all");
  for (std::size_t i = 0; i < sum.size(); ++i)
    ASSERT_NEAR(sum[i], 2 * a.samples()[i], std::abs(a.samples()[i]) / 1024 + 1e-7);
  EXPECT_EQ(PrepareCache(options).kept, 1u);
}

TEST_F(PrepareTest, BringsEightKilohertzAndEightChannelsToRateAndChannelsOfTheCache) {
  AudioBuffer tone(1, 8000), wide = Noise(5, 44100, 8);
  for (std::size_t t = 0; t < tone.frames(); ++t) {
    tone.channel(0)[t] = 0.5f * std::sin(2 * std::numbers::pi * 440 * t / 8000);
  }
  Write("s/tone.wav", tone, 8000);
  Write("s/wide.wav", wide);
  Prepare();
  const std::vector<float> got = Stem("s", "tone"), front = Stem("s", "wide");
  ASSERT_EQ(got.size(), 2u * 44100);
  for (std::size_t t = 4410; t < 39'690; ++t) {
    ASSERT_NEAR(got[t], 0.5 * std::sin(2 * std::numbers::pi * 440 * t / 44100), 2e-3) << t;
    ASSERT_EQ(got[44100 + t], got[t]);
    ASSERT_EQ(front[44100 + t], wide.channel(1)[t]);
  }
}

TEST_F(PrepareTest, PadsStemsThatAreALittleShorterWithSilence) {
  Write("s/a.wav", Noise(1, 20'000));
  Write("s/b.wav", Noise(2, 18'000));
  EXPECT_TRUE(Prepare().failures.empty());
  const std::vector<float> b = Stem("s", "b");
  ASSERT_EQ(b.size(), 40'000u);
  const AudioBuffer written = Noise(2, 18'000);
  for (std::size_t t = 0; t < 20'000; ++t)
    ASSERT_EQ(b[t], t < 18'000 ? written.channel(0)[t] : 0.0f);
}

TEST_F(PrepareTest, NamesSongStemsAndLengthsThatDiffer) {
  WriteSong("good", 1);
  Write("s/drums.wav", Noise(1, 44'100));
  Write("s/bass.wav", Noise(2, 22'050));
  EXPECT_THAT(OnlyFailure(), AllOf(HasSubstr("differ in length"), HasSubstr("bass has 0.50 s"),
                                   HasSubstr("drums has 1.00 s"), HasSubstr("song \"s\"")));
}

TEST_F(PrepareTest, ReportsAMissingStemAndPreparesTheOthers) {
  WriteSong("good", 1);
  Write("s/drums.wav", Noise(1));
  EXPECT_THAT(OnlyFailure(), AllOf(HasSubstr("\"bass\" is missing"), HasSubstr("song \"s\"")));
}

TEST_F(PrepareTest, ReportsEmptyFilesAndTextsNamedWav) {
  WriteSong("good", 1);
  WriteSong("s", 2);
  WriteFileAtomically(root_ / "s/bass.wav", "");
  EXPECT_THAT(OnlyFailure(), HasSubstr("bass.wav"));
  WriteFileAtomically(root_ / "s/bass.wav", "hello, this is a text that is named like audio");
  EXPECT_THAT(OnlyFailure(), HasSubstr("bass.wav"));
}

TEST_F(PrepareTest, ReportsTruncatedAudio) {
  WriteSong("good", 1);
  WriteSong("s", 2);
  const std::string bytes = ReadFile(root_ / "s/bass.wav");
  WriteFileAtomically(root_ / "s/bass.wav", bytes.substr(0, bytes.size() / 2));
  EXPECT_THAT(OnlyFailure(),
              ::testing::AnyOf(HasSubstr("bass.wav"), HasSubstr("differ in length")));
}

TEST_F(PrepareTest, ReportsAudioOfNoLength) {
  WriteSong("good", 1);
  WriteSong("s", 2);
  Write("s/bass.wav", AudioBuffer(2, 0));
  EXPECT_THAT(OnlyFailure(), HasSubstr("bass.wav"));
}

TEST_F(PrepareTest, ReportsSamplesThatAreNotNumbers) {
  WriteSong("good", 1);
  WriteSong("s", 2);
  Write("s/bass.wav", Noise(3), 44100, SampleFormat::kFloat32);
  std::string bytes = ReadFile(root_ / "s/bass.wav");
  bytes.replace(bytes.size() - 8, 4, "\xFF\xFF\xFF\x7F", 4);
  WriteFileAtomically(root_ / "s/bass.wav", bytes);
  EXPECT_THAT(OnlyFailure(), AllOf(HasSubstr("bass.wav"), HasSubstr("0.45")));
}

TEST_F(PrepareTest, LeavesNoIndexWhereNoSongCanBeUsed) {
  Write("s/drums.wav", Noise(1, 44'100));
  Write("s/bass.wav", Noise(2, 22'050));
  const PrepareResult result = Prepare();
  EXPECT_EQ(result.failures.size(), 1u);
  EXPECT_FALSE(result.wrote_index);
  EXPECT_TRUE(FilesInOut().empty());
  EXPECT_FALSE(fs::exists(out_ / "cache.h5.d"));
}

TEST_F(PrepareTest, RefusesAFolderWithoutSongs) {
  EXPECT_THAT(MessageOf([&] { Prepare(); }), HasSubstr("no songs found"));
  EXPECT_TRUE(FilesInOut().empty());
}

}  // namespace
}  // namespace stemsmith
