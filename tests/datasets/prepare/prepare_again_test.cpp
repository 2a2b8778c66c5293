// `prepare` run again: what it keeps, makes again and removes, after changes, damage, full disks
// and kills.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <map>
#include <tuple>
#include <utility>

#include "core/files.h"
#include "datasets/cache/cache.h"
#include "datasets/prepare/prepare.h"
#include "tests/datasets/prepare/prepare_fixture.h"

namespace stemsmith {
namespace {

using namespace prepare_fixture;
using ::testing::AllOf;
using ::testing::HasSubstr;

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
  const Listener warn = heard_.host().warn;
  EXPECT_NO_THROW(CacheReader(out_ / "cache.h5", warn));
  EXPECT_THAT(heard_.Take(), HasSubstr("new times"));
  EXPECT_EQ(Prepare().kept, 1u);
  heard_.Take();
  EXPECT_NO_THROW(CacheReader(out_ / "cache.h5", warn));
  EXPECT_EQ(heard_.Take(), "");
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
