// Every call of SQLite is in this file.
#include "serve/jobs/sqlite_database.h"

#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <mutex>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "core/numbers.h"
#include "core/text.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr int kWaitForOthersMs = 10'000;

constexpr SqlDialect kDialect = {
    .position = "instr",
    .for_update = "",  // a transaction that writes is alone from its beginning
    .for_update_of_free = "",
    .find_tables = "SELECT count(*) FROM sqlite_master WHERE name = 'stemsmith_state'",
    .lock_tables = "SELECT 1",
};

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

class SqliteDatabase : public Database, SqlSession {
 public:
  explicit SqliteDatabase(const fs::path& path) : path_(path) {
    CheckIsFile(path);
    std::error_code ignored;
    const fs::path log = path.string() + "-wal";
    // Which SQLite would take for a new one, and remove the log with what is in it.
    if (fs::exists(path, ignored) && fs::file_size(path, ignored) == 0 &&
        fs::exists(log, ignored) && fs::file_size(log, ignored) > 0)
      throw Damaged("the file is empty, although its log is not");
    sqlite3* opened = nullptr;
    const int code = sqlite3_open_v2(
        path.c_str(), &opened,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE,
        nullptr);
    database_.reset(opened);
    if (code != SQLITE_OK) throw Problem(code);
    sqlite3_busy_timeout(opened, kWaitForOthersMs);
    if (sqlite3_db_readonly(opened, "main") == 1) {  // what it opened instead
      errno = EACCES;
      throw Error::Write("cannot write the database of jobs", path.string());
    }
    Prepare();
  }

  std::string Description() override { return std::string("SQLite ") + sqlite3_libversion(); }
  std::string Name() override { return path_.string(); }
  const SqlDialect& dialect() override { return kDialect; }

  void Run(Access access, const std::function<void(SqlSession&)>& work) override {
    const std::lock_guard lock(mutex_);
    if (access == Access::kRead) return work(*this);
    Execute("BEGIN IMMEDIATE");
    try {
      work(*this);
      Execute("COMMIT");
    } catch (...) {
      // Some errors have ended the transaction already.
      if (sqlite3_get_autocommit(database_.get()) == 0)
        sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
      throw;
    }
  }

 private:
  std::vector<SqlRow> Run(const std::string& text, const std::vector<SqlValue>& values) override {
    sqlite3_stmt* prepared = nullptr;
    int code = sqlite3_prepare_v2(database_.get(), text.c_str(), -1, &prepared, nullptr);
    const std::unique_ptr<sqlite3_stmt, FinalizeStatement> statement(prepared);
    if (code != SQLITE_OK) throw Problem(code);
    for (std::size_t i = 0; i < values.size(); ++i) Bind(prepared, i + 1, values[i]);
    std::vector<SqlRow> rows;
    while ((code = sqlite3_step(prepared)) == SQLITE_ROW) {
      SqlRow& row = rows.emplace_back();
      for (int i = 0; i < sqlite3_column_count(prepared); ++i) row.push_back(Cell(prepared, i));
    }
    if (code != SQLITE_DONE) throw Problem(code);
    return rows;
  }

  void Execute(const char* statement) { Run(statement, {}); }

  void Bind(sqlite3_stmt* statement, std::size_t number, const SqlValue& value) {
    // By name: SQLite numbers $1, $2 … in the order in which it meets them.
    const int at = sqlite3_bind_parameter_index(statement, ("$" + std::to_string(number)).c_str());
    int code = SQLITE_OK;
    if (const auto* text = std::get_if<std::string>(&value))
      code = sqlite3_bind_text64(statement, at, text->data(), text->size(), SQLITE_TRANSIENT,
                                 SQLITE_UTF8);
    else if (const auto* real = std::get_if<double>(&value))
      code = sqlite3_bind_double(statement, at, *real);
    else
      code = sqlite3_bind_int64(statement, at, std::get<std::int64_t>(value));
    if (code != SQLITE_OK) throw Problem(code);
  }

  static std::string Cell(sqlite3_stmt* statement, int column) {
    // Its own text of a number has 15 digits.
    if (sqlite3_column_type(statement, column) == SQLITE_FLOAT)
      return NumberText(sqlite3_column_double(statement, column));
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
    if (text == nullptr) return "";
    return {text, static_cast<std::size_t>(sqlite3_column_bytes(statement, column))};
  }

  void Prepare() {
    Execute("PRAGMA foreign_keys = ON");
    // What is reported as stored is stored, whatever happens to the machine.
    Execute("PRAGMA synchronous = FULL");
    const std::vector<SqlRow> faults = Run("PRAGMA integrity_check(1)", {});
    if (faults.empty() || faults[0].at(0) != "ok")
      throw Damaged(faults.empty() ? "" : std::string(FirstLine(faults[0].at(0))));
    // In one statement: another program may be making our tables between two.
    constexpr const char* kFindOnlyOthers =
        "SELECT 1 WHERE (SELECT max(name = 'stemsmith_state') FROM sqlite_master) = 0";
    if (!Run(kFindOnlyOthers, {}).empty())
      throw Error::Input("a database of another program", path_.string(), "choose another file");
    UseLog();
  }

  // Readers then need not wait for writers. Processes that open a new file at once are in each
  // other's way here, and SQLite does not wait by itself.
  void UseLog() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kWaitForOthersMs);
    for (;;) {
      try {
        const std::string mode = Run("PRAGMA journal_mode = WAL", {}).at(0).at(0);
        if (mode == "wal") return;
        throw Error::Input("SQLite cannot share the file in this folder", path_.string(),
                           "choose a folder on a local disk, or a PostgreSQL database");
      } catch (const Error&) {
        const bool busy = (sqlite3_errcode(database_.get()) & 0xff) == SQLITE_BUSY;
        if (!busy || std::chrono::steady_clock::now() > end) throw;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    }
  }

  Error Damaged(const std::string& details) const {
    return Error::Input("the database of jobs is damaged" +
                            (details.empty() ? "" : ": " + details),
                        path_.string(),
                        "move it away with the files beside it that begin with its name; songs and"
                        " stems stay in the data folder");
  }

  Error Problem(int code) const {
    const std::string reason =
        database_ ? sqlite3_errmsg(database_.get()) : sqlite3_errstr(code);
    const int system = database_ ? sqlite3_system_errno(database_.get()) : 0;
    const std::string where = path_.string(), write = "cannot write the database of jobs";
    switch (code & 0xff) {
      case SQLITE_CORRUPT:
        return Damaged(reason);
      case SQLITE_NOTADB:
        return Error::Input("no database of jobs, or a damaged one", where,
                            "choose another file, or move it away; songs and stems stay in the"
                            " data folder");
      case SQLITE_FULL:
        errno = ENOSPC;
        return Error::Write(write, where);
      case SQLITE_CANTOPEN:
      case SQLITE_IOERR:
      case SQLITE_READONLY:
      case SQLITE_PERM:
        errno = system != 0                     ? system
                : (code & 0xff) == SQLITE_IOERR ? EIO
                                                : EACCES;
        // After a file that it may not make it tries to read one, and reports that.
        if (errno == ENOENT) access(fs::absolute(path_).parent_path().c_str(), W_OK);
        return Error::Write(write, where);
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
        errno = EAGAIN;
        return Error::System("the database of jobs is held by another program", where,
                             "end it, or try again");
      default:
        return Error::Input("SQLite fails: " + reason, where);
    }
  }

  const fs::path path_;
  std::mutex mutex_;
  std::unique_ptr<sqlite3, CloseDatabase> database_;
};

}  // namespace

std::unique_ptr<Database> OpenSqliteDatabase(const fs::path& path) {
  return std::make_unique<SqliteDatabase>(path);
}

}  // namespace stemsmith
