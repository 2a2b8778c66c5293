#include "separate/compiled_cache.h"

#include <gtest/gtest.h>

#include "core/files.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryFolder;

void Store(const CompiledCache& cache, const std::string& key, const std::string& bytes) {
  cache.Store(key, [&](const fs::path& file) { WriteFileAtomically(file, bytes); });
}

std::string Found(const CompiledCache& cache, const std::string& key) {
  const auto entry = cache.Find(key);
  return entry == nullptr ? "nothing" : std::string(entry->bytes());
}

std::vector<fs::path> Files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  return files;
}

TEST(CompiledCache, GivesBackWhatWasStored) {
  TemporaryFolder folder;
  const CompiledCache cache(folder / "a" / "b");
  EXPECT_EQ(Found(cache, "model"), "nothing");
  EXPECT_FALSE(fs::exists(folder / "a"));  // nothing is made before it is needed
  Store(cache, "model", "its bytes");
  EXPECT_EQ(Found(cache, "model"), "its bytes");
  EXPECT_EQ(Found(cache, "other"), "nothing");
  Store(cache, "model", "new bytes");
  EXPECT_EQ(Found(cache, "model"), "new bytes");
  cache.Remove("model");
  EXPECT_EQ(Found(cache, "model"), "nothing");
}

TEST(CompiledCache, TakesDamagedEntriesAway) {
  TemporaryFolder folder;
  const CompiledCache cache(folder.path());
  Store(cache, "model", std::string(1000, 'x'));
  const fs::path file = Files(folder.path()).at(0);
  const std::string whole = ReadFile(file);
  std::string flipped = whole;
  flipped[500] ^= 1;
  for (const std::string& damaged :
       {std::string(), whole.substr(0, 10), whole.substr(0, 999), flipped, whole + "more"}) {
    WriteFileAtomically(file, damaged);
    EXPECT_TRUE(cache.Has("model"));
    EXPECT_EQ(Found(cache, "model"), "nothing") << damaged.size();
    EXPECT_FALSE(fs::exists(file));
  }
}

TEST(CompiledCache, WorksWithoutAFolderItCanWrite) {
  TemporaryFolder folder;
  WriteFileAtomically(folder / "file", "not a folder");
  for (const fs::path& place : {fs::path(), folder / "file", folder / "file" / "below"}) {
    const CompiledCache cache(place);
    Store(cache, "model", "bytes");
    EXPECT_EQ(Found(cache, "model"), "nothing") << place;
  }
}

TEST(CompiledCache, RemovesWhatWasUsedLongestAgo) {
  TemporaryFolder folder;
  const CompiledCache cache(folder.path(), 3500);
  const std::string thousand(1000, 'x');
  const auto make_older = [&] {
    for (const fs::path& file : Files(folder.path()))
      fs::last_write_time(file, fs::last_write_time(file) - std::chrono::hours(1));
  };
  for (const char* key : {"a", "b", "c"}) make_older(), Store(cache, key, thousand);
  make_older();
  EXPECT_EQ(Found(cache, "a"), thousand);  // it is the youngest now
  Store(cache, "d", thousand);
  EXPECT_TRUE(cache.Has("a"));
  EXPECT_FALSE(cache.Has("b"));
  EXPECT_TRUE(cache.Has("c"));
  EXPECT_TRUE(cache.Has("d"));
  Store(cache, "large", std::string(5000, 'x'));  // stays alone
  EXPECT_EQ(Files(folder.path()).size(), 1u);
  EXPECT_TRUE(cache.Has("large"));
}

TEST(CompiledCache, AnEntryOutlivesItsFile) {
  TemporaryFolder folder;
  const CompiledCache cache(folder.path());
  Store(cache, "model", "its bytes");
  const auto entry = cache.Find("model");
  cache.Remove("model");
  EXPECT_EQ(entry->bytes(), "its bytes");
}

}  // namespace
}  // namespace stemsmith
