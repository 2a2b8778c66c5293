#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <map>

#include "tests/datasets/prepare/prepare_fixture.h"

namespace stemsmith {
namespace {

namespace prepare_shard_tests {

using namespace prepare_fixture;
using ::testing::HasSubstr;

class PrepareShardTest : public PrepareTest {
 protected:
  PrepareResult PrepareShardOf(int number, int count) {
    PrepareOptions options = Options();
    options.shard = {number, count};
    return PrepareCache(options);
  }
  std::map<std::string, std::string> Contents() {
    std::map<std::string, std::string> contents;
    for (const std::string& name : FilesInOut()) contents[name] = ReadFile(out_ / name);
    return contents;
  }
  void RemoveCache() {
    fs::remove_all(out_ / "cache.h5.d");
    fs::remove(out_ / "cache.h5");
  }
  // Holds a lock of the folder as another process would.
  struct HeldLock {
    HeldLock(const fs::path& file, int kind) : number(open(file.c_str(), O_RDWR | O_CREAT, 0666)) {
      EXPECT_EQ(flock(number, kind | LOCK_NB), 0);
    }
    ~HeldLock() { close(number); }
    int number;
  };
};

TEST_F(PrepareShardTest, ProcessesFillOneFolderAtOnceAndTheLastRunFindsAllFinished) {
  for (int i = 0; i < 11; ++i) WriteSong("song " + std::to_string(i), i);
  Write("song 3/bass.wav", Noise(5, 300'000));  // one takes longer
  Write("song 3/drums.wav", Noise(6, 300'000));
  Prepare();
  const auto whole = Contents();
  RemoveCache();

  constexpr int kShards = 3;
  std::vector<pid_t> children;
  for (int k = 1; k <= kShards; ++k) {
    const pid_t child = fork();
    if (child == 0) {
      int status = 99;
      try {
        const PrepareResult result = PrepareShardOf(k, kShards);
        status =
            result.wrote_index || !result.failures.empty() ? 98 : static_cast<int>(result.made);
      } catch (...) {
      }
      _exit(status);
    }
    children.push_back(child);
  }
  std::vector<int> made;
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    made.push_back(WEXITSTATUS(status));
  }
  EXPECT_EQ(made, (std::vector<int>{4, 4, 3}));
  EXPECT_FALSE(fs::exists(out_ / "cache.h5"));

  const PrepareResult last = Prepare();
  EXPECT_EQ(last.made, 0u);
  EXPECT_EQ(last.kept, 11u);
  EXPECT_TRUE(last.wrote_index);
  EXPECT_EQ(Contents(), whole);  // to the byte, and no locks of shards are left
}

TEST_F(PrepareShardTest, AShardDoesItsShareOnceAndReportsOnlyItsOwnSongs) {
  for (int i = 0; i < 4; ++i) WriteSong("song " + std::to_string(i), i);
  WriteFileAtomically(root_ / "song 1/bass.wav", "");
  const PrepareResult first = PrepareShardOf(1, 2), second = PrepareShardOf(2, 2);
  EXPECT_EQ(first.made, 2u);
  EXPECT_TRUE(first.failures.empty());
  EXPECT_GT(first.bytes, 0);
  EXPECT_EQ(second.made, 1u);
  ASSERT_EQ(second.failures.size(), 1u);
  EXPECT_EQ(second.failures[0].song, "song 1");
  EXPECT_EQ(PrepareShardOf(1, 2).kept, 2u);
  EXPECT_EQ(PrepareShardOf(9, 9).made, 0u);  // more shards than songs
  EXPECT_EQ(FilesInOut(),
            (std::vector<std::string>{"cache.h5.d/.lock-shard-1-of-2",
                                      "cache.h5.d/.lock-shard-2-of-2", "cache.h5.d/song 0.h5",
                                      "cache.h5.d/song 2.h5", "cache.h5.d/song 3.h5"}));
}

TEST_F(PrepareShardTest, LeavesTheFilesOfOthersAlone) {
  for (int i = 0; i < 2; ++i) WriteSong("song " + std::to_string(i), i);
  Prepare();
  const std::string index = ReadFile(out_ / "cache.h5");
  fs::remove_all(root_ / "song 1");
  WriteSong("song 2", 2);
  WriteFileAtomically(out_ / "cache.h5.d/.song 9.h5.tmp-123-0.h5", "being written elsewhere");
  EXPECT_EQ(PrepareShardOf(2, 2).made, 1u);
  EXPECT_EQ(ReadFile(out_ / "cache.h5"), index);
  EXPECT_TRUE(fs::exists(out_ / "cache.h5.d/.song 9.h5.tmp-123-0.h5"));
  EXPECT_TRUE(fs::exists(out_ / "cache.h5.d/song 1.h5"));
  const PrepareResult last = Prepare();
  EXPECT_EQ(last.kept, 2u);
  EXPECT_EQ(last.removed, 1u);
  EXPECT_EQ(FilesInOut(),
            (std::vector<std::string>{"cache.h5", "cache.h5.d/song 0.h5", "cache.h5.d/song 2.h5"}));
}

TEST_F(PrepareShardTest, ShardsExcludeWholeRunsAndThemselvesButNotEachOther) {
  WriteSong("a", 1);
  WriteSong("b", 2);
  Prepare();
  const fs::path lock = out_ / "cache.h5.d/.lock";
  {
    const HeldLock whole(lock, LOCK_EX);
    EXPECT_THAT(MessageOf([&] { Prepare(); }), HasSubstr("another run is preparing this cache"));
    EXPECT_THAT(MessageOf([&] { PrepareShardOf(1, 2); }),
                HasSubstr("another run is preparing this cache"));
  }
  const HeldLock shard(lock, LOCK_SH), own(out_ / "cache.h5.d/.lock-shard-1-of-2", LOCK_EX);
  EXPECT_THAT(MessageOf([&] { Prepare(); }), HasSubstr("another run is preparing this cache"));
  EXPECT_THAT(MessageOf([&] { PrepareShardOf(1, 2); }), HasSubstr("preparing shard 1/2"));
  EXPECT_EQ(PrepareShardOf(2, 2).kept, 1u);
}

TEST(PrepareShard, ReadsWhichOfHowMany) {
  const PrepareShard shard = PrepareShard::Parse("3/12");
  EXPECT_EQ(shard.number, 3);
  EXPECT_EQ(shard.count, 12);
  EXPECT_TRUE(PrepareShard::Parse("1/1").all());
  for (const char* wrong : {"", "/", "1", "1/", "/2", "0/2", "3/2", "1/0", "-1/2", "1/-2", "a/b",
                            "1/2x", "1 /2", "1.5/2", "1//2", "99999999999/99999999999", "+1/2"}) {
    EXPECT_THAT(MessageOf([&] { PrepareShard::Parse(wrong); }), HasSubstr("is no shard")) << wrong;
  }
}

}  // namespace prepare_shard_tests
}  // namespace
}  // namespace stemsmith
