// A database of a PostgreSQL server, by libpq, which lies in the module libstemsmith_postgresql.so.
#pragma once

#include <memory>
#include <string>

#include "serve/jobs/database.h"

namespace stemsmith {

// `url` as libpq takes it: postgresql://USER@HOST:PORT/DATABASE?sslmode=require. Throws Error where
// the server is not reachable or refuses; no message contains a password. A call waits some seconds
// for a server that restarts; at most a few connections are open. The symbol
// `stemsmith_open_postgresql` of the module.
using OpenPostgresqlFunction = Database*(const std::string& url);

}  // namespace stemsmith
