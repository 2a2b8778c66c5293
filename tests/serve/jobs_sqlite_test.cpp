// SQLite files that cannot be used.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>

#include "core/files.h"
#include "core/random.h"
#include "serve/jobs/job_store.h"
#include "tests/support/error_of.h"
#include "tests/support/flips.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class JobsInSqlite : public ::testing::Test {
 protected:
  std::string Message() {
    return testing::MessageOf([&] { OpenJobStore(path_.string()); }, ExitCode::kInputFailed);
  }
  // A whole database of many pages, closed.
  std::string MakeWhole() {
    auto store = OpenJobStore(path_.string());
    for (int i = 0; i < 50; ++i) {
      StoredSong song;
      song.id = "song" + std::to_string(i);
      song.name = std::string(2000, 'n');
      store->AddSong(song);
      StoredJob job;
      store->Submit({"job" + std::to_string(i), song.id, song.name, "m", "{}", song.id}, 1000, job);
    }
    store.reset();
    EXPECT_FALSE(fs::exists(path_.string() + "-wal"));
    return ReadFile(path_);
  }

  testing::TemporaryFolder folder_;
  const fs::path path_ = folder_ / "jobs.db";
};

TEST_F(JobsInSqlite, DamagedFilesAreRefusedAndStayAsTheyAre) {
  const std::string whole = MakeWhole();
  ASSERT_GT(whole.size(), 200'000u);
  std::string noise;
  RandomStream random({1});
  for (int i = 0; i < 9000; ++i) noise += static_cast<char>(random.Below(256));
  const auto with = [&](std::size_t at, const std::string& bytes) {
    return std::string(whole).replace(at, bytes.size(), bytes);
  };
  const struct {
    std::string name, bytes;
  } kinds[] = {
      {"cut in half", whole.substr(0, whole.size() / 2)},
      {"cut within a page", whole.substr(0, 10'000)},
      {"last page missing", whole.substr(0, whole.size() - 4096)},
      {"only a header", whole.substr(0, 100)},
      {"noise in the middle", with(whole.size() / 2, noise)},
      {"zeros in the middle", with(whole.size() / 2, std::string(9000, '\0'))},
      {"zeros from the start", with(0, std::string(4096, '\0'))},
      {"noise in the first page", with(200, noise.substr(0, 3000))},
      {"nothing but zeros", std::string(100'000, '\0')},
      {"a text", "These are my jobs.\n"},
      {"a long text", std::string(100'000, 'x')},
  };
  for (const auto& kind : kinds) {
    testing::WriteQuickly(path_, kind.bytes);
    const std::string message = Message();
    EXPECT_THAT(message, HasSubstr("damaged")) << kind.name;
    EXPECT_THAT(message, HasSubstr("(" + path_.string() + ")")) << kind.name;
    EXPECT_THAT(message, HasSubstr("move it away")) << kind.name;
    EXPECT_THAT(message, HasSubstr("songs and stems stay in the data folder")) << kind.name;
    EXPECT_THAT(message, Not(HasSubstr("\n"))) << kind.name;
    EXPECT_EQ(ReadFile(path_) == kind.bytes, true) << kind.name;
  }
  testing::WriteQuickly(path_, whole);
  EXPECT_EQ(OpenJobStore(path_.string())->Figures().queued, 50);
}

TEST_F(JobsInSqlite, DamageThatIsMetLaterIsAnErrorToo) {
  MakeWhole();
  const auto store = OpenJobStore(path_.string()), other = OpenJobStore(path_.string());
  testing::Overwrite(path_, 4096, std::string(fs::file_size(path_) - 4096, 'x'));
  other->ServedSeconds(1);  // now what the first one remembers is old
  const std::string message = testing::MessageOf([&] { store->List({}); });
  EXPECT_THAT(message, StartsWith("the database of jobs is damaged"));
}

// A server that was killed right after its first start leaves one.
TEST_F(JobsInSqlite, AnEmptyFileIsANewDatabaseButNotWithALog) {
  testing::WriteQuickly(path_, "");
  EXPECT_EQ(OpenJobStore(path_.string())->Revision(), 0);
  testing::WriteQuickly(path_, "");
  testing::WriteQuickly(path_.string() + "-wal", "something");
  EXPECT_THAT(Message(), HasSubstr("damaged: the file is empty, although its log is not ("));
}

// For as long as a change waits for others; `serve` then answers that it may be tried again.
TEST_F(JobsInSqlite, AFileThatAnotherProgramHoldsIsSaidToBeBusy) {
  const auto store = OpenJobStore(path_.string());
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  const std::string message = testing::MessageOf([&] { store->ServedSeconds(1); });
  EXPECT_THAT(message, StartsWith("the database of jobs is held by another program: " +
                                  std::string(std::strerror(EAGAIN))));
  EXPECT_EQ(sqlite3_close(other), SQLITE_OK);
  store->ServedSeconds(1);
}

TEST_F(JobsInSqlite, OtherThingsAreNoDatabases) {
  fs::create_directory(path_);
  EXPECT_THAT(Message(), HasSubstr(path_.string()));
  fs::remove(path_);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THAT(Message(), HasSubstr("pipe"));
  fs::remove(path_);
  EXPECT_THAT(testing::MessageOf([&] { OpenJobStore((path_ / "in" / "nothing.db").string()); }),
              StartsWith("cannot write the database of jobs: No such file or directory ("));
}

TEST_F(JobsInSqlite, DatabasesOfOthersAndOfLaterVersionsAreRefused) {
  const std::string sqlite = "sqlite3 " + path_.string() + " ";
  if (testing::RunProgram("sqlite3 --version").status != 0) GTEST_SKIP() << "needs sqlite3";
  testing::RunProgram(sqlite + "'CREATE TABLE bookmarks (url TEXT)'");
  EXPECT_EQ(Message(), "a database of another program (" + path_.string() +
                           "); choose another file");
  fs::remove(path_);
  OpenJobStore(path_.string());
  testing::RunProgram(sqlite + "'UPDATE stemsmith_state SET version = 7'");
  EXPECT_EQ(Message(), "the database of jobs is of version 7, this program of 1 (" +
                           path_.string() + "); use the version of stemsmith that wrote it");
}

// What `action` says in a process that is nobody's, or under limits.
std::string MessageInChild(const std::function<void()>& prepare,
                           const std::function<void()>& action) {
  int ends[2];
  if (pipe(ends) != 0) return "pipe";
  const pid_t child = fork();
  if (child == 0) {
    prepare();
    std::string message = "no error";
    try {
      action();
    } catch (const Error& error) {
      message = error.what();
    }
    if (write(ends[1], message.data(), message.size()) < 0) _exit(1);
    _exit(0);
  }
  close(ends[1]);
  std::string message(4096, '\0');
  const ssize_t size = read(ends[0], message.data(), message.size());
  message.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return message;
}

TEST_F(JobsInSqlite, PlacesThatMayNotBeWrittenAreRefused) {
  const auto as_nobody = [] {
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(1);
  };
  const auto open = [&] { OpenJobStore(path_.string())->ServedSeconds(1); };
  fs::permissions(folder_.path(), fs::perms::owner_read | fs::perms::owner_exec |
                                      fs::perms::others_read | fs::perms::others_exec);
  const std::string expected = "cannot write the database of jobs: Permission denied (" +
                               path_.string() + "); choose a folder that this user may write";
  EXPECT_EQ(MessageInChild(as_nobody, open), expected);
  fs::permissions(folder_.path(), fs::perms::all);
  OpenJobStore(path_.string());
  fs::permissions(path_, fs::perms::owner_read | fs::perms::others_read);
  EXPECT_EQ(MessageInChild(as_nobody, open), expected);
}

TEST_F(JobsInSqlite, AFullDiskLosesOnlyWhatDidNotFit) {
  OpenJobStore(path_.string());
  const std::string message = MessageInChild(
      [] {
        signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{300'000, 300'000};
        setrlimit(RLIMIT_FSIZE, &limit);
      },
      [&] {
        const auto store = OpenJobStore(path_.string());
        for (int i = 0; i < 10'000; ++i) {
          StoredSong song;
          song.id = std::to_string(i);
          song.name = std::string(5000, 'n');
          try {
            store->AddSong(song);
          } catch (const Error& error) {
            const auto stored = store->Figures().songs;
            throw Error::Input(std::to_string(stored == i) + " " + error.what(), "");
          }
        }
      });
  EXPECT_THAT(message, StartsWith("1 cannot write the database of jobs: "));
  EXPECT_THAT(message, HasSubstr(path_.string()));
  const auto store = OpenJobStore(path_.string());
  EXPECT_GT(store->Figures().songs, 10);
  EXPECT_EQ(store->ServedSeconds(1), 1);
}

TEST_F(JobsInSqlite, NamesOfFilesAreTakenAsTheyAre) {
  for (const char* name : {"file:x?mode=memory", ":memory:", "a b.db", "ü.db"}) {
    const std::string path = (folder_ / name).string();
    OpenJobStore(path)->ServedSeconds(1);
    EXPECT_TRUE(fs::exists(path)) << name;
  }
  EXPECT_FALSE(IsShared("postgresql.db"));
  EXPECT_TRUE(IsShared("postgres://x"));
}

}  // namespace
}  // namespace stemsmith
