// The same for longer, with a server of PostgreSQL that waits for the disk and is killed, too.
#include "tests/serve/job_databases.h"
#include "tests/serve/job_kills.h"

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

}  // namespace
}  // namespace stemsmith
