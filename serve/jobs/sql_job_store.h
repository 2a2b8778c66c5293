// Songs and jobs in tables of a database.
#pragma once

#include <memory>

#include "serve/jobs/database.h"
#include "serve/jobs/job_store.h"

namespace stemsmith {

// Makes the tables where there are none. Throws Error where they are of a later version.
std::unique_ptr<JobStore> MakeSqlJobStore(std::unique_ptr<Database> database);

}  // namespace stemsmith
