// What only a server can do to a store of jobs: stop, refuse, be somewhere else.
#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
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
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(MessageOfOpening("postgresql://me:salttrout@127.0.0.1:1/db"),
              AllOf(HasSubstr("Connection refused"), HasSubstr("is the server running"),
                    HasSubstr("(postgresql://me@127.0.0.1:1/db)"), Not(HasSubstr("salttrout"))));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
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
  server.Stop(SIGINT);
  const std::string message = testing::MessageOf([&] { store_->Finish("a", "w", "{}", 1); });
  server.Start();
  EXPECT_THAT(message, HasSubstr("is the server running"));
  EXPECT_TRUE(store_->Finish("a", "w", "{}", 1));
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
