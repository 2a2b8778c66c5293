// The module libstemsmith_postgresql.so. Every call of libpq is in this file.
#include <libpq-fe.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <mutex>
#include <random>
#include <semaphore>
#include <sstream>
#include <thread>

#include "core/error.h"
#include "core/numbers.h"
#include "core/text.h"
#include "serve/jobs/postgresql_database.h"

namespace stemsmith {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMostConnections = 4;
constexpr std::chrono::seconds kPatience{10};
constexpr std::chrono::milliseconds kPause{100};

constexpr SqlDialect kDialect = {
    .position = "strpos",
    .for_update = " FOR UPDATE",
    .for_update_of_free = " FOR UPDATE SKIP LOCKED",
    // Not to_regclass, which does not see what was made while this transaction waited for a lock.
    .find_tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'stemsmith_state'"
                   " AND schemaname = ANY (current_schemas(false))",
    .lock_tables = "SELECT pg_advisory_xact_lock(7310579620471)",  // any number that is ours
};

// Why a transaction was undone that can be run again.
struct Undone {
  std::string reason;
};

struct FreeConnection {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct FreeResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, FreeResult>;

// On one line.
std::string Line(const char* message) {
  std::istringstream words(message != nullptr ? message : "");
  std::string line;
  for (std::string word; words >> word;) line += (line.empty() ? "" : " ") + word;
  return line;
}

// What may be shown of the address. Where a password has signs that should be written as %XX,
// libpq takes its parts for the host, the port or the database, and would print them.
std::string NameOf(const std::string& url) {
  const auto free = [](PQconninfoOption* options) { PQconninfoFree(options); };
  const std::unique_ptr<PQconninfoOption, decltype(free)> options(
      PQconninfoParse(url.c_str(), nullptr), free);
  const auto value = [&](std::string_view keyword) -> std::string {
    for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option)
      if (option->keyword == keyword && option->val != nullptr) return option->val;
    return "";
  };
  std::string head = url.substr(url.find("://") + 3);
  head.resize(std::min(head.find('?'), head.size()));
  const std::size_t at = head.rfind('@');
  if (!options || (at != head.npos && head.find_first_of("@/") < at) ||
      value("port").find_first_not_of("0123456789,") != std::string::npos)
    throw Error::Usage("the address of the database is not well formed", "postgresql://…",
                       "write postgresql://USER@HOST:PORT/DATABASE, and within a password %40 for"
                       " @, %3A for :, %2F for /, %3F for ? and %25 for %");
  const std::string user = value("user"), port = value("port");
  return "postgresql://" + (user.empty() ? "" : user + "@") + value("host") +
         (port.empty() ? "" : ":" + port) + "/" + value("dbname");
}

// Later ones win: what stands after the address is fixed.
constexpr const char* kKeywords[] = {
    "connect_timeout",  "keepalives_idle",           "keepalives_interval", "keepalives_count",
    "tcp_user_timeout", "fallback_application_name", "dbname",              "client_encoding",
    nullptr};
std::vector<const char*> ValuesWith(const std::string& url) {
  return {"5", "10", "5", "2", "15000", "stemsmith", url.c_str(), "UTF8", nullptr};
}

class Connection : public SqlSession {
 public:
  Connection(const std::string& url, const std::string& name) : name_(name) {
    connection_.reset(PQconnectdbParams(kKeywords, ValuesWith(url).data(), 1));
    if (PQstatus(connection_.get()) != CONNECTION_OK)
      throw Undone{"no connection to the database: " + Line(PQerrorMessage(connection_.get()))};
    PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);
    const char* encoding = PQparameterStatus(connection_.get(), "server_encoding");
    if (encoding == nullptr || std::string_view(encoding) != "UTF8")
      throw Error::Input("the database is not encoded in UTF-8", name_,
                         "make one with ENCODING 'UTF8' TEMPLATE template0");
    // A machine that vanishes in the middle of a change must not hold up the others.
    Query("SET idle_in_transaction_session_timeout = '10s'");
    Query("SET statement_timeout = '30s'");
  }

  int server_version() const { return PQserverVersion(connection_.get()); }
  bool usable() const {
    return !lost_ && PQstatus(connection_.get()) == CONNECTION_OK &&
           PQtransactionStatus(connection_.get()) == PQTRANS_IDLE;
  }

 private:
  std::vector<SqlRow> Run(const std::string& statement,
                          const std::vector<SqlValue>& values) override {
    std::vector<std::string> texts;
    for (const SqlValue& value : values) {
      const auto* text = std::get_if<std::string>(&value);
      const auto* real = std::get_if<double>(&value);
      texts.push_back(text ? *text : real ? NumberText(*real)
                                          : NumberText(std::get<std::int64_t>(value)));
    }
    std::vector<const char*> pointers;
    for (const std::string& text : texts) pointers.push_back(text.c_str());
    const Result result(PQexecParams(connection_.get(), statement.c_str(),
                                     static_cast<int>(pointers.size()), nullptr, pointers.data(),
                                     nullptr, nullptr, 0));
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) ThrowProblem(result.get());
    std::vector<SqlRow> rows(static_cast<std::size_t>(PQntuples(result.get())));
    for (int i = 0; i < PQntuples(result.get()); ++i)
      for (int column = 0; column < PQnfields(result.get()); ++column)
        rows[static_cast<std::size_t>(i)].emplace_back(PQgetvalue(result.get(), i, column));
    return rows;
  }

  [[noreturn]] void ThrowProblem(const PGresult* result) {
    const char* field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const std::string_view code = field != nullptr ? field : "";
    const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const std::string reason =
        Line(primary != nullptr ? primary : PQerrorMessage(connection_.get()));
    // The connection (PQstatus may still call it good), a server that shuts down, a conflict with
    // other transactions.
    if (code.empty() || PQstatus(connection_.get()) == CONNECTION_BAD || code.starts_with("08") ||
        code.starts_with("57P0") || code == "25P03" || code == "40001" || code == "40P01") {
      lost_ = true;
      throw Undone{"the connection to the database was lost: " + reason};
    }
    if (code == "53100") {
      errno = ENOSPC;
      throw Error::Write("the server of the database cannot write", name_);
    }
    throw Error::Input("PostgreSQL refuses: " + reason, name_,
                       code == "42501" || code == "3F000"
                           ? "let the user own the database"
                       : code == "25006" ? "give the address of the server that can be written"
                                         : "");
  }

  const std::string& name_;
  bool lost_ = false;
  std::unique_ptr<PGconn, FreeConnection> connection_;
};

class PostgresqlDatabase : public Database {
 public:
  explicit PostgresqlDatabase(const std::string& url) : url_(url), name_(NameOf(url)) {
    Try([&] {
      const auto serves = [&] {
        const PGPing ping = PQpingParams(kKeywords, ValuesWith(url_).data(), 1);
        return ping == PQPING_OK || ping == PQPING_NO_ATTEMPT;
      };
      const bool served = serves();
      try {
        const auto connection = Take();
        version_ = connection->server_version();
        MakeTableOfChanges(*connection);
      } catch (const Undone& undone) {
        if (!served || !serves()) throw;
        throw Error::Input(undone.reason, name_,  // it serves, but not this user
                           "check the user, the password (PGPASSWORD, ~/.pgpass) and the name of"
                           " the database");
      }
    });
  }

  std::string Description() override {
    return Formatted("PostgreSQL %d.%d", version_ / 10000, version_ % 10000);
  }
  std::string Name() override { return name_; }
  const SqlDialect& dialect() override { return kDialect; }

  // Where the answer to a COMMIT is lost, a mark says whether the change was made. It is set first:
  // that waits for the end of a transaction that has set it and may be at work still. (Not by
  // pg_xact_status: after a crash of the server, other transactions get the same numbers.)
  void Run(Access access, const std::function<void(SqlSession&)>& work) override {
    const std::string mark = NewMark();
    Try([&] {
      const auto connection = Take();
      if (access == Access::kRead) {
        work(*connection);
        return;
      }
      connection->Query("BEGIN ISOLATION LEVEL READ COMMITTED");
      try {
        const bool is_new = !connection
                                 ->Query("INSERT INTO stemsmith_changes VALUES ($1, now())"
                                         " ON CONFLICT DO NOTHING RETURNING mark",
                                         {mark})
                                 .empty();
        if (is_new) work(*connection);
        if (++changes_ % 1000 == 0)
          connection->Query(
              "DELETE FROM stemsmith_changes WHERE made_at < now() - interval '1 hour'");
        connection->Query("COMMIT");
      } catch (const Error&) {
        connection->Query("ROLLBACK");
        throw;
      }
    });
  }

 private:
  static std::string NewMark() {
    std::random_device random;
    return Formatted("%08x%08x%08x%08x", random(), random(), random(), random());
  }

  static void MakeTableOfChanges(Connection& connection) {
    const char* find = "SELECT count(*) FROM pg_tables WHERE tablename = 'stemsmith_changes'"
                       " AND schemaname = ANY (current_schemas(false))";
    const auto there = [&] { return connection.Query(find).at(0).at(0) != "0"; };
    if (!there()) {
      connection.Query("BEGIN");
      connection.Query(kDialect.lock_tables);
      if (!there())
        connection.Query(
            "CREATE TABLE stemsmith_changes (mark TEXT PRIMARY KEY, made_at TIMESTAMPTZ NOT NULL)");
      connection.Query("COMMIT");
    }
  }

  // Returned when it is let go of, but for one that cannot be used any more; then all that wait
  // are closed, too, because a server that restarts has left them all.
  struct Return {
    PostgresqlDatabase* database;
    void operator()(Connection* connection) const {
      std::unique_ptr<Connection> owned(connection);
      const std::lock_guard lock(database->mutex_);
      if (owned->usable())
        database->idle_.push_back(std::move(owned));
      else
        database->idle_.clear();
    }
  };

  std::unique_ptr<Connection, Return> Take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        std::unique_ptr<Connection, Return> taken(idle_.back().release(), Return{this});
        idle_.pop_back();
        return taken;
      }
    }
    return {new Connection(url_, name_), Return{this}};
  }

  // Until it is not undone.
  void Try(const std::function<void()>& attempt) {
    struct Slot {
      std::counting_semaphore<>& slots;
      explicit Slot(std::counting_semaphore<>& all) : slots(all) { slots.acquire(); }
      ~Slot() { slots.release(); }
    } const slot(slots_);
    const auto end = Clock::now() + kPatience;
    for (;;) {
      std::string reason;
      try {
        return attempt();
      } catch (const Undone& undone) {
        reason = undone.reason;
      }
      if (Clock::now() > end) {
        errno = EAGAIN;
        throw Error::System(reason, name_,
                            "is the server running, and can it be reached from here?");
      }
      std::this_thread::sleep_for(kPause);
    }
  }

  const std::string url_, name_;
  int version_ = 0;
  std::atomic<unsigned> changes_{0};
  std::counting_semaphore<> slots_{kMostConnections};
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace

extern "C" __attribute__((visibility("default"))) Database* stemsmith_open_postgresql(
    const std::string& url);

Database* stemsmith_open_postgresql(const std::string& url) { return new PostgresqlDatabase(url); }

}  // namespace stemsmith
