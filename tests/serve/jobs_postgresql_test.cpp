// What only a server can do to a store of jobs: stop, refuse, be somewhere else.
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "core/files.h"
#include "tests/serve/job_databases.h"
#include "tests/support/error_of.h"

namespace stemsmith {
namespace {

using testing::PostgresqlServer;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string MessageOfOpening(const std::string& url) {
  return testing::MessageOf([&] { OpenJobStore(url); });
}

TEST(JobsInPostgresql, PasswordsAreTakenFromWhereLibpqTakesThemAndNeverShown) {
  STEMSMITH_NEEDS_POSTGRESQL();
  PostgresqlServer& server = PostgresqlServer::OfProgram();
  server.Ask("CREATE SCHEMA locked AUTHORIZATION locked");
  const std::string url = server.Url("locked", "locked");
  const auto with = [&](const std::string& password) {
    return std::string(url).replace(url.find("locked@"), 6, "locked:" + password);
  };
  unsetenv("PGPASSWORD");
  testing::TemporaryFolder folder;
  setenv("PGPASSFILE", (folder / "none").c_str(), 1);
  EXPECT_THAT(MessageOfOpening(url), AllOf(StartsWith("no connection to the database: "),
                                           HasSubstr("(postgresql://locked@/"),
                                           HasSubstr("PGPASSWORD")));
  EXPECT_THAT(MessageOfOpening(with("salttrout")),
              AllOf(HasSubstr("password authentication failed"), Not(HasSubstr("salttrout"))));
  EXPECT_EQ(OpenJobStore(with("open%20sesame"))->Revision(), 0);
  setenv("PGPASSWORD", "open sesame", 1);
  EXPECT_EQ(OpenJobStore(url)->Revision(), 0);
  unsetenv("PGPASSWORD");
  testing::RunProgram("umask 077; echo '*:*:*:locked:open sesame' > " + (folder / "pass").string());
  setenv("PGPASSFILE", (folder / "pass").c_str(), 1);
  EXPECT_EQ(OpenJobStore(url)->Revision(), 0);
  unsetenv("PGPASSFILE");
}

TEST(JobsInPostgresql, WrongAddressesAreErrorsWithoutThePassword) {
  STEMSMITH_NEEDS_POSTGRESQL();
  for (const char* url :
       {"postgresql://me:salt%ZZtrout@host/db", "postgresql://me:salt@trout@host/db",
        "postgresql://me:salttrout@host:port/db", "postgresql://me:salttrout@host/db?salttrout",
        "postgresql://me:salt/trout@host/db", "postgresql://me:1/trout@host/db",
        "postgresql://me:salt:trout@host:0x/db"}) {
    const std::string message = MessageOfOpening(url);
    EXPECT_THAT(message, StartsWith("the address of the database is not well formed")) << url;
    EXPECT_THAT(message, AllOf(Not(HasSubstr("salt")), Not(HasSubstr("trout")))) << url;
  }
  const std::string there = PostgresqlServer::OfProgram().Url();
  const auto elsewhere = std::string(there).replace(there.find("/postgres?"), 10, "/nothing?");
  EXPECT_THAT(MessageOfOpening(elsewhere), HasSubstr("database \"nothing\" does not exist"));
}

TEST(JobsInPostgresql, UnusableDatabasesAreRefused) {
  STEMSMITH_NEEDS_POSTGRESQL();
  PostgresqlServer& server = PostgresqlServer::OfProgram();
  server.Ask("CREATE SCHEMA foreign_schema");
  setenv("PGPASSWORD", "open sesame", 1);
  for (const char* schema : {"foreign_schema", "public"})
    EXPECT_THAT(
        MessageOfOpening(server.Url(schema, "locked")),
        AllOf(StartsWith("PostgreSQL refuses: "), HasSubstr("let the user own the database")));
  unsetenv("PGPASSWORD");
  const std::string url = server.Url("later");
  OpenJobStore(url);
  server.Ask("UPDATE later.stemsmith_state SET version = 2");
  EXPECT_THAT(MessageOfOpening(url), HasSubstr("of version 2, this program of 1"));
  server.Ask("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
  EXPECT_THAT(MessageOfOpening(std::string(url).replace(url.find("/postgres?"), 10, "/latin?")),
              HasSubstr("not encoded in UTF-8"));
}

class JobsOfAServer : public testing::OnDatabases {};
INSTANTIATE_TEST_SUITE_P(All, JobsOfAServer, ::testing::Values("PostgreSQL"),
                         testing::kDatabaseName);

TEST_P(JobsOfAServer, RestartsAreWaitedFor) {
  PostgresqlServer& server = PostgresqlServer::OfProgram();
  Add("a");
  EXPECT_EQ(store_->Take("w")->id, "a");
  for (const int signal : {SIGINT, SIGQUIT}) {
    server.Stop(signal);
    std::thread waiting([&] { EXPECT_EQ(store_->Beat("a", "w", 0.5), JobStore::Order::kGoOn); });
    server.Start();  // in this thread, whose end is the server's
    waiting.join();
  }
  EXPECT_EQ(Get("a").beat, 3);
}

// Connections end at any moment, and each change still counts once.
TEST_P(JobsOfAServer, NothingIsLostOrDoneTwiceWithConnections) {
  PostgresqlServer& server = PostgresqlServer::OfProgram();
  constexpr int kChanges = 300;
  std::atomic<bool> end{false};
  std::thread trouble([&] {
    while (!end) {
      server.Ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                 " WHERE application_name = 'stemsmith'");
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < kChanges; ++i) store_->ServedSeconds(1);
    });
  for (std::thread& thread : threads) thread.join();
  end = true;
  trouble.join();
  EXPECT_EQ(store_->ServedSeconds(), 2 * kChanges);
}

// Stands between libpq and the server, and ends the connection at a COMMIT: before it, or after it
// and before its answer.
class Interruption {
 public:
  explicit Interruption(const std::string& server_folder) {
    listener_ = Socket(folder_.path().string(), true);
    thread_ = std::thread([this, server_folder] {
      for (int client; (client = accept(listener_, nullptr, nullptr)) >= 0;) {
        const int server = Socket(server_folder, false);
        Serve(client, server);
        close(client);
        close(server);
      }
    });
  }
  ~Interruption() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  std::string folder() const { return folder_.path().string(); }
  int commits() const { return commits_; }

 private:
  static int Socket(const std::string& folder, bool listens) {
    const int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (folder + "/.s.PGSQL.5432").copy(address.sun_path, sizeof address.sun_path - 1);
    const auto* name = reinterpret_cast<const sockaddr*>(&address);
    const bool done = listens ? bind(made, name, sizeof address) == 0 && listen(made, 8) == 0
                              : connect(made, name, sizeof address) == 0;
    EXPECT_TRUE(done) << folder;
    return made;
  }

  // One connection, as the test has one thread.
  void Serve(int client, int server) {
    std::string bytes(1 << 16, '\0');
    pollfd ends[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    while (poll(ends, 2, -1) > 0) {
      for (int from = 0; from < 2; ++from) {
        if (ends[from].revents == 0) continue;
        const ssize_t count = read(ends[from].fd, bytes.data(), bytes.size());
        if (count <= 0) return;
        const auto size = static_cast<std::size_t>(count);
        const bool commit = from == 0 && std::string_view(bytes.data(), size)
                                                 .find(std::string_view("COMMIT\0", 7)) !=
                                             std::string::npos;
        if (commit) ++commits_;
        if (commit && commits_ % 3 == 1) return;
        if (write(ends[1 - from].fd, bytes.data(), size) != count) return;
        if (commit && commits_ % 3 == 2) {
          if (read(server, bytes.data(), bytes.size()) < 0) return;  // it is done
          return;
        }
      }
    }
  }

  testing::TemporaryFolder folder_;
  int listener_ = -1;
  std::atomic<int> commits_{0};
  std::thread thread_;
};

TEST_P(JobsOfAServer, ChangesCountOnceWhenTheAnswerToTheirEndIsLost) {
  const std::string folder = PostgresqlServer::OfProgram().folder();
  Interruption interruption(folder);
  std::string url = url_;
  store_ = OpenJobStore(url.replace(url.find(folder), folder.size(), interruption.folder()));
  for (int i = 1; i <= 10; ++i) EXPECT_EQ(store_->ServedSeconds(1), i);
  // Each took three: the first did not arrive, the second one's answer did not, the third found
  // that it was done.
  EXPECT_EQ(interruption.commits(), 30);
  EXPECT_EQ(OpenJobStore(url_)->ServedSeconds(), 10);
  store_.reset();
}

TEST_P(JobsOfAServer, TakingPassesOverJobsThatAreHeld) {
  Add("a");
  Add("b");
  std::thread holder([&] {
    PostgresqlServer::OfProgram().Ask("BEGIN; SELECT id FROM " + schema_ +
                                      ".stemsmith_jobs WHERE id = 'a' FOR UPDATE;"
                                      " SELECT pg_sleep(1); COMMIT");
  });
  const std::string count = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
  while (PostgresqlServer::OfProgram().Ask(count) != "1\n") {
  }
  EXPECT_EQ(store_->Take("w")->id, "b");
  holder.join();
  EXPECT_EQ(store_->Take("w")->id, "a");
}

}  // namespace
}  // namespace stemsmith
