#include "core/error.h"
#include "core/module.h"
#include "core/option.h"
#include "serve/jobs/job_store.h"
#include "serve/jobs/postgresql_database.h"
#include "serve/jobs/sql_job_store.h"
#include "serve/jobs/sqlite_database.h"

namespace stemsmith {

bool IsShared(const std::string& url) {
  return url.starts_with("postgresql://") || url.starts_with("postgres://");
}

std::unique_ptr<JobStore> OpenJobStore(const std::string& url) {
  if (!IsShared(url) && url.find("://") != std::string::npos)
    throw Error::Usage("this is no database that can hold jobs", Option("database", url),
                       "give postgresql://…, or leave it out");
  if (!IsShared(url)) return MakeSqlJobStore(OpenSqliteDatabase(url));
  auto* open = reinterpret_cast<OpenPostgresqlFunction*>(
      LoadModuleSymbol("postgresql", "stemsmith_open_postgresql", "a PostgreSQL database"));
  return MakeSqlJobStore(std::unique_ptr<Database>(open(url)));
}

}  // namespace stemsmith
