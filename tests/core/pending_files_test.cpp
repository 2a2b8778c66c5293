// Files that appear whole or not at all, alone and together, and what killed processes left.
#include "core/pending_files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>

#include "core/files.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::MessageOf;

// The names in a folder that are hidden.
std::vector<std::string> Hidden(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    if (const std::string name = entry.path().filename(); name.starts_with('.'))
      names.push_back(name);
  return names;
}

void Write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

// Three files with new contents for a folder.
void Fill(PendingFolder& files) {
  for (const char* name : {"a", "b", "c"}) Write(files.Add(name), "new");
}

TEST(PendingFile, RefusesWhatIsNoFileInItsPlaceAtOnce) {
  testing::TemporaryFolder folder;
  fs::create_directory(folder / "folder");
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  fs::create_symlink(folder / "folder", folder / "link");
  EXPECT_THAT(MessageOf([&] { PendingFile(folder / "folder"); }),
              HasSubstr("a folder is in the way"));
  EXPECT_THAT(MessageOf([&] { PendingFile(folder / "pipe"); }), HasSubstr("a pipe is in the way"));
  EXPECT_THAT(MessageOf([&] { PendingFile(folder / "link"); }),
              HasSubstr("a folder is in the way"));
  EXPECT_THAT(MessageOf([&] { WriteFileAtomically(folder / "folder", "x"); }), HasSubstr("folder"));
  EXPECT_TRUE(Hidden(folder.path()).empty());
}

TEST(ResultFolder, GoesAgainWithTheParentsThatItMadeUnlessSomethingIsInIt) {
  testing::TemporaryFolder folder;
  fs::create_directory(folder / "old");
  for (const char* out : {"old", "old/new", "old/a/b/", "c/./d"}) {
    { const ResultFolder made(folder / out); }
    EXPECT_TRUE(fs::is_empty(folder / "old")) << out;
    EXPECT_FALSE(fs::exists(folder / "c")) << out;
  }
  {
    const ResultFolder made(folder / "old/a/b");
    Write(folder / "old/a/result", "");
  }
  EXPECT_FALSE(fs::exists(folder / "old/a/b"));
  EXPECT_TRUE(fs::exists(folder / "old/a/result"));
}

TEST(ResultFolder, ThatAnotherProcessRemovedIsMadeAgainForFiles) {
  testing::TemporaryFolder folder;
  const ResultFolder made(folder / "out");
  fs::remove(folder / "out");
  PendingFolder files(folder / "out/song", folder / "out");
  Fill(files);
  files.Commit();
  EXPECT_TRUE(fs::exists(folder / "out/song/a"));
}

TEST(PendingFile, TakesNamesAsLongAsTheFileSystemDoes) {
  testing::TemporaryFolder folder;
  const std::string ascii(250, 'n');
  std::string letters;
  while (letters.size() < 250) letters += "é";
  for (const std::string& name : {ascii + ".wav", letters + ".wav", "." + ascii.substr(0, 254)}) {
    WriteFileAtomically(folder / name, "x");
    EXPECT_EQ(ReadFile(folder / name), "x");
  }
}

TEST(PendingFolder, ReplacesAllOrNothing) {
  testing::TemporaryFolder folder;
  for (const char* name : {"a", "b", "c", "d"}) Write(folder / name, "old");
  {
    PendingFolder files(folder.path());
    Fill(files);
  }
  EXPECT_EQ(ReadFile(folder / "a"), "old");
  {
    PendingFolder files(folder.path());
    Fill(files);
    // Comes in the way while the files are written.
    fs::remove(folder / "c");
    fs::create_directory(folder / "c");
    EXPECT_THAT(MessageOf([&] { files.Commit(); }), HasSubstr("a folder is in the way"));
  }
  EXPECT_EQ(ReadFile(folder / "a"), "old");
  fs::remove(folder / "c");
  {
    PendingFolder files(folder.path());
    Fill(files);
    files.Commit();
  }
  EXPECT_EQ(ReadFile(folder / "a"), "new");
  EXPECT_EQ(ReadFile(folder / "c"), "new");
  EXPECT_EQ(ReadFile(folder / "d"), "old");
  EXPECT_TRUE(Hidden(folder.path()).empty());
}

TEST(PendingFolder, FilesMayLieInFoldersOfTheirOwn) {
  const testing::TemporaryFolder folder;
  for (int run = 0; run < 2; ++run) {
    PendingFolder files(folder / "out", folder.path());
    for (const char* name : {"drums/song", "vocals/deep/song"})
      std::ofstream(files.Add(name)) << name << run;
    files.Commit();
  }
  EXPECT_EQ(ReadFile(folder / "out/vocals/deep/song"), "vocals/deep/song1");
  EXPECT_EQ(ReadFile(folder / "out/drums/song"), "drums/song1");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
  std::ofstream(folder / "out/bass") << "in the way";
  PendingFolder files(folder / "out", folder.path());
  EXPECT_THROW(files.Add("bass/song"), Error);
}

TEST(PendingFolder, WithAPlaceToGrowInTheFolderAppearsAtOnce) {
  testing::TemporaryFolder folder;
  PendingFolder files(folder / "deep/song", folder.path());
  Fill(files);
  EXPECT_FALSE(fs::exists(folder / "deep"));
  EXPECT_EQ(files.folder().parent_path(), folder.path());
  files.Commit();
  EXPECT_EQ(ReadFile(folder / "deep/song/b"), "new");
  EXPECT_TRUE(Hidden(folder.path()).empty());
}

TEST(MoveIntoPlace, PutsBackWhatWasReplacedWhenALaterOneFails) {
  testing::TemporaryFolder folder;
  for (const char* name : {"new1", "new2", "new3"}) Write(folder / name, "new");
  Write(folder / "one", "old");
  const std::string error = MessageOf([&] {
    MoveIntoPlace({{folder / "new1", folder / "one"},
                   {folder / "new2", folder / "two"},
                   {folder / "new3", folder / "no such folder/three"}});
  });
  EXPECT_THAT(error, HasSubstr("cannot put the finished file in place"));
  EXPECT_EQ(ReadFile(folder / "one"), "old");
  EXPECT_FALSE(fs::exists(folder / "two"));
  EXPECT_TRUE(Hidden(folder.path()).empty());
}

TEST(Sources, AreKnownByEveryNameTheyHave) {
  testing::TemporaryFolder folder;
  Write(folder / "source", "x");
  Write(folder / "other", "x");
  fs::create_hard_link(folder / "source", folder / "hard");
  fs::create_symlink(folder / "source", folder / "soft");
  fs::create_directory_symlink(folder.path(), folder / "folder");
  for (const char* name : {"source", "hard", "soft", "folder/source", "./source"})
    EXPECT_THAT(MessageOf([&] {
                  CheckAreNoSources({folder / "new", folder / name}, {folder / "source"});
                }),
                HasSubstr("would be replaced"))
        << name;
  EXPECT_NO_THROW(CheckAreNoSources({folder / "new", folder / "other"},
                                    {folder / "source", folder / "not there"}));
}

// The name of what a process that is gone was writing for `target`.
std::string NameOfTheDead(const fs::path& target) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const std::string name = TemporaryBeside(target).filename();
    const bool told = write(ends[1], name.data(), name.size()) > 0;
    _exit(told ? 0 : 1);
  }
  waitpid(child, nullptr, 0);
  char name[512];
  const ssize_t length = read(ends[0], name, sizeof name);
  close(ends[0]), close(ends[1]);
  return {name, static_cast<std::size_t>(std::max<ssize_t>(length, 0))};
}

// Runs in a process of its own: each folder is looked into once, and file systems give the number
// of a folder that an earlier test has removed to the next one.
void InFreshProcess(void (*check)()) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        check();
        const auto& result = *::testing::UnitTest::GetInstance()->current_test_info()->result();
        for (int i = 0; i < result.total_part_count(); ++i)
          std::fprintf(stderr, "%s\n", result.GetTestPartResult(i).message());
        _exit(result.Failed() ? 1 : 0);
      },
      ::testing::ExitedWithCode(0), "");
}

void CheckLeftoversOfProcessesThatAreGone() {
  testing::TemporaryFolder folder;
  const std::string file = NameOfTheDead(folder / "song.wav");
  const std::string files = NameOfTheDead(folder / "files");
  ASSERT_THAT(file, HasSubstr("song.wav.tmp-"));
  Write(folder / file, "half");
  fs::create_directory(folder / files);
  Write(folder / files / "drums.wav", "half");
  // Of this process, and of another host.
  const std::string mine = TemporaryBeside(folder.path() / "elsewhere/x").filename();
  std::string foreign = file;
  foreign.replace(foreign.find(".tmp-") + 5, 8, "00000000");
  Write(folder / mine, "being written");
  Write(folder / foreign, "being written elsewhere");
  Write(folder / ".notes.tmp-", "mine");
  Write(folder / "song.wav.tmp-visible", "mine");

  WriteFileAtomically(folder / "new", "x");
  EXPECT_FALSE(fs::exists(folder / file));
  EXPECT_FALSE(fs::exists(folder / files));
  for (const std::string& kept : {mine, foreign, std::string(".notes.tmp-"),
                                  std::string("song.wav.tmp-visible"), std::string("new")})
    EXPECT_TRUE(fs::exists(folder / kept)) << kept;
}

// What was killed while it replaced files of a folder leaves links there, and what comes next may
// be written elsewhere first.
void CheckLeftoversInTargetOfPendingFolder() {
  testing::TemporaryFolder folder;
  fs::create_directory(folder / "song");
  const fs::path left = folder / "song" / NameOfTheDead(folder / "song/drums.wav");
  Write(left, "the one before");
  PendingFolder pending(folder / "song", folder.path());
  EXPECT_FALSE(fs::exists(left));
}

TEST(Leftovers, InTheTargetOfAPendingFolderAreRemoved) {
  InFreshProcess(CheckLeftoversInTargetOfPendingFolder);
}

TEST(Leftovers, OfProcessesThatAreGoneAreRemovedByTheNext) {
  InFreshProcess(CheckLeftoversOfProcessesThatAreGone);
}

// A process that was killed and that its parent has not asked about yet, as in containers whose
// first process never asks.
void CheckLeftoversOfZombies() {
  testing::TemporaryFolder folder;
  const pid_t child = fork();
  if (child == 0) {
    Write(TemporaryBeside(folder / "song.wav"), "half");
    _exit(0);
  }
  siginfo_t ended;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
  ASSERT_FALSE(fs::is_empty(folder.path()));
  WriteFileAtomically(folder / "new", "x");
  fs::remove(folder / "new");
  EXPECT_TRUE(fs::is_empty(folder.path()));
  waitpid(child, nullptr, 0);
}

TEST(Leftovers, OfProcessesThatNobodyAskedAboutAreRemoved) {
  InFreshProcess(CheckLeftoversOfZombies);
}

void CheckLeftoversOfEarlierVersions() {
  testing::TemporaryFolder folder;
  const std::string dead = ".a.wav.tmp-9999999-0.wav";  // beyond the largest number of a process
  const std::string fresh = ".b.wav.tmp-9999999-1.wav";
  const std::string living = ".c.wav.tmp-" + std::to_string(getpid()) + "-1.wav";
  for (const std::string& name : {dead, fresh, living}) Write(folder / name, "half");
  for (const std::string& name : {dead, living})
    fs::last_write_time(folder / name, fs::file_time_type::clock::now() - std::chrono::hours(48));
  WriteFileAtomically(folder / "new", "x");
  EXPECT_FALSE(fs::exists(folder / dead));
  EXPECT_TRUE(fs::exists(folder / fresh));
  EXPECT_TRUE(fs::exists(folder / living));
}

TEST(Leftovers, OfEarlierVersionsAreRemovedWhenTheyAreOld) {
  InFreshProcess(CheckLeftoversOfEarlierVersions);
}

TEST(FolderLock, IsOfOneAndKnowsWhetherItsFolderIsThere) {
  testing::TemporaryFolder folder;
  fs::create_directory(folder / "run");
  {
    const FolderLock lock(folder / "run", "another works here", "wait");
    EXPECT_THAT(MessageOf([&] { FolderLock(folder / "run", "another works here", "wait"); }),
                HasSubstr("another works here"));
    EXPECT_TRUE(lock.StillThere());
    fs::rename(folder / "run", folder / "moved");
    EXPECT_FALSE(lock.StillThere());
    fs::create_directory(folder / "run");
    EXPECT_FALSE(lock.StillThere());
  }
  const FolderLock again(folder / "moved", "another works here", "wait");
  fs::remove(folder / "moved");
  EXPECT_FALSE(again.StillThere());
}

TEST(CheckIsFile, NamesWhatWouldBeWaitedForWithoutEnd) {
  testing::TemporaryFolder folder;
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  fs::create_symlink(folder / "pipe", folder / "link");
  EXPECT_THAT(MessageOf([&] { ReadFile(folder / "pipe"); }),
              HasSubstr("this is a pipe, not a file"));
  EXPECT_THAT(MessageOf([&] { HashFile(folder / "link"); }),
              HasSubstr("this is a pipe, not a file"));
  EXPECT_THAT(MessageOf([&] { ReadFile("/dev/zero"); }), HasSubstr("this is a device, not a file"));
  EXPECT_THAT(MessageOf([&] { ReadFile(folder.path()); }),
              HasSubstr("this is a folder, not a file"));
  Write(folder / "file", "x");
  EXPECT_NO_THROW(CheckIsFile(folder / "file"));
  EXPECT_NO_THROW(CheckIsFile(folder / "none"));
}

}  // namespace
}  // namespace stemsmith
