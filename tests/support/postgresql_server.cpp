#include "tests/support/postgresql_server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <thread>

#include "core/files.h"

namespace stemsmith::testing {
namespace fs = std::filesystem;
namespace {

std::string ProgramsFolder() {
  std::error_code ignored;
  std::string newest;
  int version = 0;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    const int found = std::atoi(entry.path().filename().c_str());
    if (found <= version || !fs::exists(entry.path() / "bin/postgres")) continue;
    version = found;
    newest = (entry.path() / "bin/").string();
  }
  return newest;
}

// PostgreSQL does not run as root.
std::string AsOther(const std::string& more = "") {
  const std::string nobody =
      geteuid() == 0 ? "--reuid=nobody --regid=" + std::to_string(65534) + " --clear-groups " : "";
  return nobody.empty() && more.empty() ? "" : "setpriv " + nobody + more + " ";
}

std::string MustRun(const std::string& command) {
  const ProgramResult result = RunProgram(command);
  if (result.status != 0) throw std::runtime_error(command + ": " + result.err + result.out);
  return result.out;
}

}  // namespace

bool PostgresqlServer::Installed() { return !ProgramsFolder().empty(); }

PostgresqlServer& PostgresqlServer::OfProgram() {
  static PostgresqlServer server("-c fsync=off");
  return server;
}

PostgresqlServer::PostgresqlServer(const std::string& settings) : settings_(settings) {
  const std::string data = (folder_ / "data").string();
  fs::permissions(folder_.path(), fs::perms::all);
  MustRun("cd / && " + AsOther() + ProgramsFolder() + "initdb --no-sync --no-locale" +
          " --encoding=UTF8 --auth=trust --username=owner --pgdata=" + data);
  WriteFileAtomically(data + "/pg_hba.conf",
                      "local all locked scram-sha-256\nlocal all all trust\n");
  if (geteuid() == 0 && chown((data + "/pg_hba.conf").c_str(), 65534, 65534) != 0)
    throw std::runtime_error("chown failed");
  Start();
  Ask("CREATE ROLE locked LOGIN PASSWORD 'open sesame'");
}

PostgresqlServer::~PostgresqlServer() { Stop(SIGINT); }

void PostgresqlServer::Start() {
  const std::string folder = folder_.path().string();
  // It ends with the test program, however that ends.
  const std::string command = "cd / && exec " + AsOther("--pdeathsig=INT") + ProgramsFolder() +
                              "postgres -D " + folder + "/data -k " + folder +
                              " -c listen_addresses= -c max_connections=40 " + settings_ + " >>" +
                              folder + "/log 2>&1 </dev/null";
  process_ = fork();
  if (process_ < 0) throw std::runtime_error("fork failed");
  if (process_ == 0) {
    setpgid(0, 0);
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  for (int i = 0; i < 300; ++i) {
    if (RunProgram(ProgramsFolder() + "pg_isready -U owner -h " + folder).status == 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  throw std::runtime_error("postgres does not start: " + ReadFile(folder + "/log"));
}

void PostgresqlServer::Stop(int signal) {
  if (process_ <= 0) return;
  if (signal == SIGKILL) {  // its children are in groups of their own
    RunProgram("kill -9 $(ps -o pid= --ppid " + std::to_string(process_) + ")");
  }
  kill(process_, signal);
  waitpid(process_, nullptr, 0);
  process_ = -1;
}

std::string PostgresqlServer::Url(const std::string& schema, const std::string& user) {
  Ask("CREATE SCHEMA IF NOT EXISTS " + schema);
  return "postgresql://" + user + "@/postgres?host=" + folder_.path().string() +
         "&options=-csearch_path%3D" + schema;
}

std::string PostgresqlServer::Ask(const std::string& statement) {
  return MustRun("psql -X -q -t -A -v ON_ERROR_STOP=1 -U owner -h " + folder_.path().string() +
                 " -c \"" + statement + "\" postgres");
}

}  // namespace stemsmith::testing
