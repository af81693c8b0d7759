// SQL over a run: the model's tables in SQLite, to be read and never to be written.
//
// The database itself is empty and in memory. All that there is are virtual tables over the run; an
// authorizer lets SELECT through and nothing else, so no file can be attached, made or changed by a query.
// A query can be ended at any time by a flag, in the middle of SQLite's own work and in that of the tables.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "clock/clock_map.h"
#include "query/model_rows.h"
#include "query/module.h"
#include "query/table.h"
#include "run/run_reader.h"

namespace ivtrace::query {

class Database;

/// A value that outlives its row; monostate is NULL.
using OwnedCell = std::variant<std::monostate, std::int64_t, double, std::string>;
/// Values for a query's parameters, by their names without the colon.
using Parameters = std::map<std::string, OwnedCell>;

/// A query at work. Borrows its database. One thread. Movable.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  const std::vector<std::string>& columns() const { return columns_; }
  /// Goes to the next row; false behind the last. kTimeout: interrupted.
  Result<bool> step();
  /// Of the current row; texts hold until the next step.
  Cell cell(std::size_t column) const;
  OwnedCell owned_cell(std::size_t column) const;

 private:
  friend class Database;
  Statement(Database& database, sqlite3_stmt* statement);

  Database* database_;
  sqlite3_stmt* statement_;
  std::vector<std::string> columns_;
};

/// One run's tables. One thread; only the flag may be set by others. Borrows run and clock.
class Database {
 public:
  /// `stop`: ends what runs when it is set; nullptr: nothing does. `more`: tables beside the run's own.
  static Result<std::unique_ptr<Database>> open(const run::RunReader& run, const clock::HostClock& clock,
                                                StopFlag stop = nullptr,
                                                CacheUse cache = CacheUse::kIfPossible,
                                                std::vector<std::unique_ptr<Table>> more = {});
  /// The same over rows that somebody else has made and lends, with what is to be said of them; nobody else
  /// may use them meanwhile.
  static Result<std::unique_ptr<Database>> open(ModelRows& rows, const clock::HostClock& clock,
                                                StopFlag stop = nullptr,
                                                std::vector<std::unique_ptr<Table>> more = {});
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  /// Makes a query of one SELECT (or WITH, VALUES, EXPLAIN). kInvalid, with SQLite's words and perhaps the
  /// nearest names, when it makes no sense or has a parameter without a value; kPermission when it would
  /// change anything.
  Result<Statement> prepare(std::string_view sql, const Parameters& parameters = {});
  /// The byte of the query at which the last prepare() gave up, when SQLite knows it.
  std::optional<std::size_t> error_offset() const { return error_offset_; }

  /// All tables, by name.
  std::vector<const TableInfo*> tables() const;
  /// nullptr when there is none of that name.
  const TableInfo* find(std::string_view name) const;
  /// The names of tables that are nearest to one.
  std::vector<std::string> nearest_tables(std::string_view name) const;
  /// One line each, for people: what was left out of the rows that were made so far.
  const std::set<std::string>& notices() const { return notices_.lines; }
  /// Are events missing in what was walked for them?
  bool incomplete() const { return notices_.incomplete; }
  /// How many rows of tables SQLite looked at so far.
  std::uint64_t rows_visited() const { return rows_visited_; }
  /// How often the run was walked to make rows so far.
  std::uint64_t walks() const { return rows_->walks(); }

 private:
  friend class Statement;
  explicit Database(StopFlag stop) : stop_(stop) {}
  /// Of rows_, and `more`.
  Status connect(const clock::HostClock& clock, std::vector<std::unique_ptr<Table>> more);
  static int authorize(void* database, int action, const char* first, const char* second, const char*,
                       const char*);
  Error error_of(int code, std::string_view sql);
  static Status bind(sqlite3_stmt* statement, const Parameters& parameters);
  std::string hint_for(std::string_view message) const;

  StopFlag stop_;
  Notices notices_;
  std::unique_ptr<ModelRows> own_rows_;
  ModelRows* rows_ = nullptr;
  std::vector<std::unique_ptr<Table>> tables_;  ///< by name
  std::vector<std::unique_ptr<ModuleContext>> contexts_;
  std::uint64_t rows_visited_ = 0;
  std::optional<std::size_t> error_offset_;
  Status failure_;  ///< of a table, in the statement at work
  sqlite3* database_ = nullptr;
};

}  // namespace ivtrace::query
