// A PostgreSQL server of the test's own, in a temporary folder, reached by a socket in it.
#pragma once

#include <sys/types.h>

#include <string>

#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {

class PostgresqlServer {
 public:
  // Whether this machine has one: Debian's package postgresql.
  static bool Installed();
  // Of the test program; made with the first call, ended with the program. It loses data with the
  // machine's power (fsync = off).
  static PostgresqlServer& OfProgram();

  explicit PostgresqlServer(const std::string& settings = "");  // options of `postgres`
  ~PostgresqlServer();
  PostgresqlServer(const PostgresqlServer&) = delete;
  PostgresqlServer& operator=(const PostgresqlServer&) = delete;

  void Start();
  // SIGINT: all connections end, then it does; SIGQUIT: as after a crash; SIGKILL: of all its
  // processes.
  void Stop(int signal);

  // postgresql://USER@/postgres?host=… for the owner of everything, or for "locked", whose password
  // is "open sesame". With a schema of this name, which is made, as the search path.
  std::string Url(const std::string& schema = "public", const std::string& user = "owner");
  std::string folder() const { return folder_.path().string(); }  // of its socket
  // What psql says of a statement.
  std::string Ask(const std::string& statement);

 private:
  TemporaryFolder folder_;
  std::string settings_;
  pid_t process_ = -1;
};

}  // namespace stemsmith::testing
