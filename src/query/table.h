// What a table of the query language is: its declaration, and how its rows are walked.
//
// The declaration is the single source: the text that SQLite gets, `.schema`, and the check of docs/tables.md
// are made of it. Names are a contract with everybody's queries; meanings and units are for people.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace ivtrace::query {

enum class Type : std::uint8_t { kInteger, kReal, kText };
const char* to_string(Type type);

/// What a table can do with a condition on a column. Whatever it is, SQLite checks every row again, so a
/// table may give more rows than were asked for and never fewer.
enum class Search : std::uint8_t {
  kNone,   ///< every row is looked at
  kOneOf,  ///< =, IN: others are left out early
  kRange,  ///< =, <, <=, >, >=: what lies outside is not even read
  kKey,    ///< as kRange, and a value has a handful of rows
};

struct Column {
  const char* name;
  Type type;
  const char* unit;  ///< "ns", "bytes"; "" for names and plain numbers
  const char* meaning;
  Search search = Search::kNone;
};

struct TableInfo {
  const char* name;
  const char* meaning;
  std::vector<Column> columns;
  int order = -1;  ///< the column by which rows rise, or -1

  /// -1 when there is none of that name.
  int find(std::string_view column) const;
};

/// "CREATE TABLE name(column TYPE, …)", as SQLite wants it.
std::string create_statement(const TableInfo& info);
/// The same for people: a line for each column, with unit and meaning behind it.
std::string schema_text(const TableInfo& info);

/// A value that a condition compares with. Never NULL: nothing is equal to that.
using Value = std::variant<std::int64_t, double, std::string>;
/// A value of a row. Text is borrowed until the cursor moves on; any bytes.
using Cell = std::variant<std::monostate, std::int64_t, double, std::string_view>;

enum class Compare : std::uint8_t { kEqual, kLess, kLessEqual, kGreater, kGreaterEqual };

/// A condition on a column.
struct Constraint {
  int column = 0;
  Compare compare = Compare::kEqual;
  std::vector<Value> values;  ///< one; of kEqual perhaps several, of which any will do
};

/// The whole numbers that a column's conditions leave, both ends included.
struct Range {
  std::int64_t low = std::numeric_limits<std::int64_t>::min();
  std::int64_t high = std::numeric_limits<std::int64_t>::max();
};
Range range_of(std::span<const Constraint> constraints, int column);

/// Walks a table's rows. One thread; borrows its table.
class Cursor {
 public:
  virtual ~Cursor() = default;

  /// Goes to the first row that the conditions may hold for. `columns`: those that will be asked for, by bit.
  /// Called again, it starts anew.
  virtual Status start(std::span<const Constraint> constraints, std::uint32_t columns) = 0;
  virtual Status next() = 0;
  virtual bool at_end() const = 0;
  virtual Cell cell(int column) = 0;
  virtual std::int64_t row_id() const = 0;
};

/// A table. Lives as long as its database. One thread.
class Table {
 public:
  virtual ~Table() = default;

  virtual const TableInfo& info() const = 0;
  /// About how many rows there are; costs nothing to ask.
  virtual double row_estimate() const = 0;
  /// A statement that reads it is being made: a good moment to know what one pass should tell.
  virtual void want() {}
  virtual std::unique_ptr<Cursor> open() = 0;
};

/// Set by whoever wants a query to end; asked now and then by all that may take long. May be nullptr.
using StopFlag = const std::atomic<bool>*;
inline bool stopped(StopFlag stop) {
  return stop != nullptr && stop->load(std::memory_order_relaxed);  // Relaxed: it guards nothing else.
}
/// The error of a query that was ended so.
Error interrupted_error();

}  // namespace ivtrace::query
