// The same for longer, with a server of PostgreSQL that waits for the disk and is killed, too.
#include <gmock/gmock.h>

#include "tests/serve/job_databases.h"
#include "tests/serve/job_kills.h"
#include "tests/support/error_of.h"

namespace stemsmith {
namespace {

TEST(JobsOfKilledForLong, WorkersAreDoneByOthersInSqlite) {
  testing::TemporaryFolder folder;
  const std::string path = (folder / "jobs.db").string();
  const auto store = OpenJobStore(path);
  testing::KillWorkers(*store, path, 400, 100, folder / "finished", 2);
}

TEST(JobsOfKilledForLong, WorkersAreDoneByOthersInPostgresql) {
  STEMSMITH_NEEDS_POSTGRESQL();
  testing::PostgresqlServer server;
  testing::TemporaryFolder folder;
  const auto store = OpenJobStore(server.Url());
  testing::KillWorkers(*store, server.Url(), 400, 60, folder / "finished", 3, [&](int kill_number) {
    if (kill_number % 6 != 5) return;
    server.Stop(kill_number % 12 == 5 ? SIGKILL : SIGQUIT);
    server.Start();
  });
}

TEST(JobsOfAServerThatIsGone, OpeningEndsWithAnError) {
  STEMSMITH_NEEDS_POSTGRESQL();
  const std::string message =
      testing::MessageOf([] { OpenJobStore("postgresql://me:salttrout@127.0.0.1:1/db"); });
  for (const char* part : {"Connection refused", "(postgresql://me@127.0.0.1:1/db)",
                           "is the server running, and can it be reached from here?"})
    EXPECT_THAT(message, ::testing::HasSubstr(part));
  EXPECT_THAT(message, ::testing::Not(::testing::HasSubstr("salttrout")));
}

TEST(JobsOfAServerThatIsGone, CallsEndWithAnErrorAndWorkLater) {
  STEMSMITH_NEEDS_POSTGRESQL();
  testing::PostgresqlServer server;
  const auto store = OpenJobStore(server.Url());
  server.Stop(SIGINT);
  const std::string message = testing::MessageOf([&] { store->ServedSeconds(1); });
  EXPECT_THAT(message, ::testing::HasSubstr("is the server running"));
  server.Start();
  EXPECT_EQ(store->ServedSeconds(1), 1);
}

}  // namespace
}  // namespace stemsmith
