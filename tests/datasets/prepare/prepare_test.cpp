#include "datasets/prepare/prepare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <fstream>
#include <functional>
#include <map>
#include <numbers>
#include <thread>
#include <tuple>
#include <utility>

#include "audio/encode.h"
#include "core/error.h"
#include "core/files.h"
#include "core/random.h"
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

TEST_F(PrepareTest, KeepsWhatIsUnchangedRedoesWhatChangedAndRemovesWhatIsGone) {
  for (const char* song : {"a", "b", "c"}) WriteSong(song, song[0]);
  EXPECT_EQ(Prepare().made, 3u);
  const std::string fingerprint = CacheReader(out_ / "cache.h5").fingerprint();
  PrepareResult result = Prepare();
  EXPECT_EQ(result.made, 0u);
  EXPECT_EQ(result.kept, 3u);
  EXPECT_EQ(CacheReader(out_ / "cache.h5").fingerprint(), fingerprint);

  Write("a/drums.wav", Noise(77));
  fs::remove_all(root_ / "b");
  WriteSong("d", 4);
  result = Prepare();
  EXPECT_EQ(result.made, 2u);
  EXPECT_EQ(result.kept, 1u);
  EXPECT_EQ(result.removed, 1u);
  EXPECT_EQ(Stem("a", "drums"), Samples(Noise(77)));
  EXPECT_EQ(FilesInOut(), (std::vector<std::string>{"cache.h5", "cache.h5.d/a.h5",
                                                    "cache.h5.d/c.h5", "cache.h5.d/d.h5"}));
  EXPECT_NE(CacheReader(out_ / "cache.h5").fingerprint(), fingerprint);
}

TEST_F(PrepareTest, ANewTimeAloneRedoesNothingAndIsRemembered) {
  WriteSong("a", 1);
  Prepare();
  const fs::path source = root_ / "a/drums.wav";
  fs::last_write_time(source, fs::last_write_time(source) - std::chrono::hours(1));
  ::testing::internal::CaptureStderr();
  EXPECT_NO_THROW(CacheReader(out_ / "cache.h5"));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("new times"));
  EXPECT_EQ(Prepare().kept, 1u);
  ::testing::internal::CaptureStderr();
  EXPECT_NO_THROW(CacheReader(out_ / "cache.h5"));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(Prepare().kept, 1u);
}

TEST_F(PrepareTest, ChangedSourcesMakeTheCacheStaleAndAbsentOnesDoNot) {
  WriteSong("a b", 1);
  Prepare();
  Write("a b/drums.wav", Noise(99));  // the same size
  EXPECT_THAT(MessageOf([&] { CacheReader cache(out_ / "cache.h5"); }),
              AllOf(HasSubstr("stale"), HasSubstr("song \"a b\""), HasSubstr("drums.wav"),
                    HasSubstr("stemsmith prepare folders " + root_.path().string() + " --out ")));
  fs::remove_all(root_ / "a b");
  EXPECT_NO_THROW(CacheReader(out_ / "cache.h5"));
}

TEST_F(PrepareTest, AnotherRecipeRedoesOnlyWhatItChanges) {
  WriteSong("a", 1);
  EXPECT_EQ(PrepareWith("stems: {drums: drums, accompaniment: rest}").made, 1u);
  EXPECT_EQ(PrepareWith("# a comment\nstems: {drums: drums, accompaniment: bass}").kept, 1u);
  EXPECT_EQ(PrepareWith("stems: {drums: drums, accompaniment: {source: bass, gain_db: 1}}").made,
            1u);
}

TEST_F(PrepareTest, ARecipeThatFitsNoSongLosesNothing) {
  WriteSong("a", 1);
  Prepare();
  const std::string before = CacheReader(out_ / "cache.h5").fingerprint();
  const PrepareResult result = PrepareWith("stems: {piano: piano, other: rest}");
  EXPECT_FALSE(result.wrote_index);
  EXPECT_EQ(CacheReader(out_ / "cache.h5").fingerprint(), before);
}

TEST_F(PrepareTest, MendsACacheThatWasCutInHalf) {
  for (const char* song : {"a", "b"}) WriteSong(song, song[0]);
  Prepare();
  const std::string fingerprint = CacheReader(out_ / "cache.h5").fingerprint();
  for (const char* name : {"cache.h5", "cache.h5.d/a.h5"}) {
    const std::string bytes = ReadFile(out_ / name);
    WriteFileAtomically(out_ / name, bytes.substr(0, bytes.size() / 2));
  }
  const PrepareResult result = Prepare();
  EXPECT_EQ(result.made, 1u);
  EXPECT_EQ(result.kept, 1u);
  EXPECT_EQ(CacheReader(out_ / "cache.h5").fingerprint(), fingerprint);
}

TEST_F(PrepareTest, DoesNotOverwriteFilesOfOthers) {
  WriteSong("a", 1);
  WriteFileAtomically(out_ / "cache.h5", "my diary");
  EXPECT_THAT(MessageOf([&] { Prepare(); }), HasSubstr("is no cache"));
  EXPECT_EQ(ReadFile(out_ / "cache.h5"), "my diary");
  fs::remove(out_ / "cache.h5");
  fs::create_directory(out_ / "cache.h5");
  EXPECT_THAT(MessageOf([&] { Prepare(); }), HasSubstr("is a folder"));
}

TEST_F(PrepareTest, RemovesWhatAKilledRunLeft) {
  WriteSong("a", 1);
  Prepare();
  WriteFileAtomically(out_ / "cache.h5.d/.a.h5.tmp-123-0.h5", "half a track");
  WriteFileAtomically(out_ / ".cache.h5.tmp-123-1.h5", "half an index");
  Prepare();
  EXPECT_EQ(FilesInOut(), (std::vector<std::string>{"cache.h5", "cache.h5.d/a.h5"}));
}

TEST_F(PrepareTest, RefusesAnOutputThatCannotBeWritten) {
  WriteSong("a", 1);
  PrepareOptions options = Options();
  options.out = "/proc/stemsmith/cache.h5";
  EXPECT_THAT(MessageOf([&] { PrepareCache(options); }), HasSubstr("/proc/stemsmith"));
}

TEST_F(PrepareTest, ThreadCountsGiveTheSameFiles) {
  for (int i = 0; i < 5; ++i) WriteSong("song " + std::to_string(i), i);
  PrepareOptions options = Options();
  options.threads = 1;
  PrepareCache(options);
  std::map<std::string, std::string> first;
  for (const std::string& name : FilesInOut()) first[name] = ReadFile(out_ / name);
  fs::remove_all(out_ / "cache.h5.d");
  fs::remove(out_ / "cache.h5");
  options.threads = 4;
  PrepareCache(options);
  for (const std::string& name : FilesInOut())
    EXPECT_EQ(ReadFile(out_ / name), first[name]) << name;
  EXPECT_EQ(FilesInOut().size(), 6u);
}

class PrepareOnAFullDisk : public PrepareTest,
                           public ::testing::WithParamInterface<std::pair<CacheFormat, int>> {};

TEST_P(PrepareOnAFullDisk, SaysSoAndLeavesNothingPartial) {
  WriteSong("small", 1);
  Write("large/drums.wav", Noise(1, 600'000));
  Write("large/bass.wav", Noise(2, 600'000));
  PrepareOptions options = Options();
  std::tie(options.format, options.compression) = GetParam();
  // A limit on the size of files fails like a full disk, inside HDF5's own writing.
  const int status = InChild([&] {
    std::signal(SIGXFSZ, SIG_IGN);  // as programs do
    const rlimit limit{1'500'000, 1'500'000};
    setrlimit(RLIMIT_FSIZE, &limit);
    const std::string message = MessageOf([&] { PrepareCache(options); });
    std::ofstream(out_ / "message") << message;
    return 7;
  });
  ASSERT_EQ(status, 7);
  EXPECT_THAT(ReadFile(out_ / "message"),
              AllOf(HasSubstr("cannot write"), HasSubstr("large.h5"), HasSubstr("File too large")));
  for (const std::string& name : FilesInOut()) {
    EXPECT_TRUE(name == "message" || name == "cache.h5.d/small.h5") << name;
  }
  fs::remove(out_ / "message");
  const PrepareResult result = PrepareCache(options);  // with room again, it goes on
  EXPECT_TRUE(result.failures.empty());
  const std::vector<float> bass = Stem("large", "bass"), want = Samples(Noise(2, 600'000));
  ASSERT_EQ(bass.size(), want.size());
  // float16 keeps eleven binary places of these.
  const float tolerance = options.format == CacheFormat::kFloat16 ? 1e-4f : 0.0f;
  for (std::size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(bass[i], want[i], tolerance);
}

INSTANTIATE_TEST_SUITE_P(, PrepareOnAFullDisk,
                         ::testing::Values(std::pair{CacheFormat::kAuto, 0},
                                           std::pair{CacheFormat::kFloat16, 0},
                                           std::pair{CacheFormat::kAuto, 1},
                                           std::pair{CacheFormat::kFloat32, 1}));

TEST_F(PrepareTest, KilledAtAnyMomentItGoesOnToTheSameCache) {
  for (int i = 0; i < 12; ++i) WriteSong("song " + std::to_string(i), i);
  Prepare();
  const std::string whole = CacheReader(out_ / "cache.h5").fingerprint();
  fs::remove_all(out_ / "cache.h5.d");
  fs::remove(out_ / "cache.h5");
  for (int round = 0; round < 8; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      try {
        Prepare();
      } catch (...) {
      }
      _exit(0);
    }
    usleep(3'000 * (round + 1));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    if (round % 3 == 2) fs::remove(out_ / "cache.h5.d" / "song 3.h5");
  }
  EXPECT_TRUE(Prepare().failures.empty());
  EXPECT_EQ(CacheReader(out_ / "cache.h5").fingerprint(), whole);
  EXPECT_EQ(FilesInOut().size(), 13u);
}

}  // namespace
}  // namespace stemsmith
