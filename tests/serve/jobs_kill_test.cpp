// Workers that are killed lose no job and finish none twice.
#include "tests/serve/job_databases.h"
#include "tests/serve/job_kills.h"

namespace stemsmith {
namespace {

class JobsOfKilled : public testing::OnDatabases {};
INSTANTIATE_TEST_SUITE_P(All, JobsOfKilled, testing::kDatabases, testing::kDatabaseName);

TEST_P(JobsOfKilled, WorkersAreDoneByOthers) {
  testing::KillWorkers(*store_, url_, 40, 6, folder_ / "finished", 1);
}

}  // namespace
}  // namespace stemsmith
