// SQL to a database, in the words that SQLite and PostgreSQL have in common.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

namespace stemsmith {

using SqlValue = std::variant<std::int64_t, double, std::string>;
// Numbers as texts that read back the same; null as an empty one.
using SqlRow = std::vector<std::string>;

// A transaction that is open.
class SqlSession {
 public:
  virtual ~SqlSession() = default;
  // One statement, with `values` for $1, $2 …; all rows of its answer. Bytes that PostgreSQL does
  // not take for text (what is not UTF-8, zeros) are replaced.
  std::vector<SqlRow> Query(const std::string& statement, const std::vector<SqlValue>& values = {});

 private:
  virtual std::vector<SqlRow> Run(const std::string& statement,
                                  const std::vector<SqlValue>& values) = 0;
};

// Where they differ.
struct SqlDialect {
  const char* position;    // function (text, part): above 0 where the text holds the part
  const char* for_update;  // ends a SELECT whose rows nobody else may change until the end
  const char* for_update_of_free;  // the same, which passes over rows that somebody else holds
  const char* find_tables;         // one row, one number: 0 where there are no tables of ours
  const char* lock_tables;         // until the end, for those who make tables
};

// All calls may come from any thread.
class Database {
 public:
  virtual ~Database() = default;
  virtual std::string Description() = 0;
  // As people know it: without a password.
  virtual std::string Name() = 0;
  virtual const SqlDialect& dialect() = 0;

  // kWrite: runs `work` in a transaction, which counts whole when this returns and not at all when
  // it throws. kRead: without one; each query may find more than the one before. `work` is run
  // again where a connection was lost or its transaction undone, so it must do nothing beside its
  // queries but write its results.
  enum class Access { kRead, kWrite };
  virtual void Run(Access access, const std::function<void(SqlSession&)>& work) = 0;
};

}  // namespace stemsmith
