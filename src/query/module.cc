#include "query/module.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace ivtrace::query {
namespace {

// Which conditions a table takes is told from xBestIndex to xFilter by a text, which EXPLAIN QUERY PLAN
// shows: "machine in,time_ns>=,". Each stands for one argument. Which columns are used goes by the number.

struct VirtualTable : sqlite3_vtab {
  explicit VirtualTable(const ModuleContext& with) : sqlite3_vtab{}, context(with) {}
  const ModuleContext& context;
};
struct VirtualCursor : sqlite3_vtab_cursor {
  VirtualCursor() : sqlite3_vtab_cursor{} {}
  std::unique_ptr<Cursor> cursor;
  bool nothing = false;  ///< the conditions hold for no row: one compares with NULL
};

constexpr std::string_view kIn = " in";
constexpr std::uint64_t kColumnMask = 0x7fffffff;

VirtualTable& table_of(sqlite3_vtab* table) { return *static_cast<VirtualTable*>(table); }
VirtualCursor& cursor_of(sqlite3_vtab_cursor* cursor) { return *static_cast<VirtualCursor*>(cursor); }

std::optional<Compare> compare_of(unsigned char operation) {
  switch (operation) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
      return Compare::kEqual;
    case SQLITE_INDEX_CONSTRAINT_LT:
      return Compare::kLess;
    case SQLITE_INDEX_CONSTRAINT_LE:
      return Compare::kLessEqual;
    case SQLITE_INDEX_CONSTRAINT_GT:
      return Compare::kGreater;
    case SQLITE_INDEX_CONSTRAINT_GE:
      return Compare::kGreaterEqual;
    default:
      return std::nullopt;
  }
}
const char* to_string(Compare compare) {
  switch (compare) {
    case Compare::kEqual:
      return "=";
    case Compare::kLess:
      return "<";
    case Compare::kLessEqual:
      return "<=";
    case Compare::kGreater:
      return ">";
    case Compare::kGreaterEqual:
      return ">=";
  }
  return "";
}
Compare compare_of(std::string_view text) {
  for (const Compare compare : {Compare::kEqual, Compare::kLess, Compare::kLessEqual, Compare::kGreater}) {
    if (text == to_string(compare)) return compare;
  }
  return Compare::kGreaterEqual;
}

int connect(sqlite3* database, void* context, int, const char* const*, sqlite3_vtab** table, char** error) {
  const auto& with = *static_cast<ModuleContext*>(context);
  const int code = sqlite3_declare_vtab(database, create_statement(with.table->info()).c_str());
  if (code != SQLITE_OK) {
    *error = sqlite3_mprintf("%s", sqlite3_errmsg(database));
    return code;
  }
  sqlite3_vtab_config(database, SQLITE_VTAB_INNOCUOUS);
  *table = new VirtualTable(with);
  return SQLITE_OK;
}
int disconnect(sqlite3_vtab* table) {
  delete &table_of(table);
  return SQLITE_OK;
}

/// Chooses what a table looks for itself, and guesses what that leaves.
class Plan {
 public:
  Plan(const TableInfo& info, double rows, sqlite3_index_info& index)
      : info_(info), rows_(rows), index_(index) {}

  int make() {
    for (int i = 0; i < index_.nConstraint; ++i) consider(i);
    index_.idxNum = static_cast<int>(index_.colUsed & kColumnMask);
    index_.idxStr = sqlite3_mprintf("%s", text_.c_str());
    if (index_.idxStr == nullptr) return SQLITE_NOMEM;
    index_.needToFreeIdxStr = 1;
    index_.estimatedRows = static_cast<sqlite3_int64>(std::max(rows_, 1.0));
    index_.estimatedCost = std::max(rows_, 1.0) * 2;
    const auto* const order = index_.aOrderBy;
    index_.orderByConsumed =
        index_.nOrderBy == 1 && order->iColumn == info_.order && info_.order >= 0 && order->desc == 0;
    return SQLITE_OK;
  }

 private:
  void consider(int i) {
    const auto& constraint = index_.aConstraint[i];
    const std::optional<Compare> compare = compare_of(constraint.op);
    if (constraint.usable == 0 || constraint.iColumn < 0 || !compare) return;
    const Column& column = info_.columns[static_cast<std::size_t>(constraint.iColumn)];
    if (column.search == Search::kNone) return;
    if (column.search == Search::kOneOf && *compare != Compare::kEqual) return;
    // Another collation than the bytes' own is SQLite's business.
    if (column.type == Type::kText && sqlite3_stricmp(sqlite3_vtab_collation(&index_, i), "BINARY") != 0)
      return;
    bool list = false;
    if (column.search == Search::kOneOf && sqlite3_vtab_in(&index_, i, -1) != 0) {
      sqlite3_vtab_in(&index_, i, 1);  // all at once, not one walk for each
      list = true;
    }
    index_.aConstraintUsage[i].argvIndex = ++arguments_;
    text_ += column.name;
    text_ += list ? kIn : to_string(*compare);
    text_ += ',';
    const bool equal = *compare == Compare::kEqual;
    if (equal && column.search == Search::kKey) rows_ = std::min(rows_, 8.0);
    rows_ /= equal ? 8 : 4;
  }

  const TableInfo& info_;
  double rows_;
  sqlite3_index_info& index_;
  int arguments_ = 0;
  std::string text_;
};

int best_index(sqlite3_vtab* table, sqlite3_index_info* index) {
  const Table& of = *table_of(table).context.table;
  return Plan(of.info(), of.row_estimate(), *index).make();
}

int open(sqlite3_vtab* table, sqlite3_vtab_cursor** cursor) {
  auto* const opened = new VirtualCursor;
  opened->cursor = table_of(table).context.table->open();
  *cursor = opened;
  return SQLITE_OK;
}
int close(sqlite3_vtab_cursor* cursor) {
  delete &cursor_of(cursor);
  return SQLITE_OK;
}

/// What SQLite's own check will make of the value when it compares it with a column of this type; nothing
/// when that is not for a table to know.
std::optional<Value> value_of(sqlite3_value* value, Type type) {
  if (type == Type::kText) {
    if (sqlite3_value_type(value) == SQLITE_BLOB) return std::nullopt;
    const auto* const text = reinterpret_cast<const char*>(sqlite3_value_text(value));
    return text == nullptr ? std::nullopt
                           : std::optional<Value>(
                                 std::string(text, static_cast<std::size_t>(sqlite3_value_bytes(value))));
  }
  switch (sqlite3_value_numeric_type(value)) {
    case SQLITE_INTEGER:
      return Value(static_cast<std::int64_t>(sqlite3_value_int64(value)));
    case SQLITE_FLOAT: {
      const double real = sqlite3_value_double(value);
      // 1.0 is 1; beyond 2^53 a real stands for several whole numbers, and bounds them well enough.
      if (real == std::floor(real) && std::abs(real) < 9e15) return Value(static_cast<std::int64_t>(real));
      return Value(real);
    }
    default:
      return std::nullopt;
  }
}

/// The values of one argument. False: the condition is not for the table.
bool read_values(sqlite3_value* argument, bool list, Type type, std::vector<Value>& values) {
  if (!list) {
    if (sqlite3_value_type(argument) == SQLITE_NULL) return true;
    std::optional<Value> value = value_of(argument, type);
    if (!value) return false;
    values.push_back(*std::move(value));
    return true;
  }
  sqlite3_value* each = nullptr;
  for (int code = sqlite3_vtab_in_first(argument, &each); code == SQLITE_OK && each != nullptr;
       code = sqlite3_vtab_in_next(argument, &each)) {
    if (sqlite3_value_type(each) == SQLITE_NULL) continue;
    std::optional<Value> value = value_of(each, type);
    if (!value) return false;
    values.push_back(*std::move(value));
  }
  return true;
}

int failed(VirtualTable& table, Error error) {
  sqlite3_free(table.zErrMsg);
  table.zErrMsg = sqlite3_mprintf("%s", error.message.c_str());
  *table.context.failure = std::move(error);
  return SQLITE_ERROR;
}

int filter(sqlite3_vtab_cursor* cursor, int columns, const char* plan, int count, sqlite3_value** arguments) {
  VirtualTable& table = table_of(cursor->pVtab);
  const TableInfo& info = table.context.table->info();
  VirtualCursor& walk = cursor_of(cursor);
  walk.nothing = false;
  std::vector<Constraint> constraints;
  std::string_view rest = plan;
  for (int i = 0; i < count; ++i) {
    std::string_view piece = rest.substr(0, rest.find(','));
    rest.remove_prefix(piece.size() + 1);
    const std::size_t name = piece.find_first_of("<=> ");
    const bool list = piece.substr(name) == kIn;
    Constraint constraint;
    constraint.column = info.find(piece.substr(0, name));
    constraint.compare = list ? Compare::kEqual : compare_of(piece.substr(name));
    const Type type = info.columns[static_cast<std::size_t>(constraint.column)].type;
    if (!read_values(arguments[i], list, type, constraint.values)) continue;
    if (constraint.values.empty()) walk.nothing = true;
    constraints.push_back(std::move(constraint));
  }
  if (walk.nothing) return SQLITE_OK;
  const Status started = walk.cursor->start(constraints, static_cast<std::uint32_t>(columns));
  if (!started) return failed(table, started.error());
  *table.context.rows += walk.cursor->at_end() ? 0 : 1;
  return SQLITE_OK;
}
int next(sqlite3_vtab_cursor* cursor) {
  VirtualCursor& walk = cursor_of(cursor);
  VirtualTable& table = table_of(cursor->pVtab);
  const Status moved = walk.cursor->next();
  if (!moved) return failed(table, moved.error());
  *table.context.rows += walk.cursor->at_end() ? 0 : 1;
  return SQLITE_OK;
}
int at_end(sqlite3_vtab_cursor* cursor) {
  const VirtualCursor& walk = cursor_of(cursor);
  return walk.nothing || walk.cursor->at_end() ? 1 : 0;
}
int column(sqlite3_vtab_cursor* cursor, sqlite3_context* context, int index) {
  const Cell cell = cursor_of(cursor).cursor->cell(index);
  if (const auto* const number = std::get_if<std::int64_t>(&cell)) {
    sqlite3_result_int64(context, *number);
  } else if (const auto* const real = std::get_if<double>(&cell)) {
    sqlite3_result_double(context, *real);
  } else if (const auto* const text = std::get_if<std::string_view>(&cell)) {
    sqlite3_result_text64(context, text->data(), text->size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  } else {
    sqlite3_result_null(context);
  }
  return SQLITE_OK;
}
int row_id(sqlite3_vtab_cursor* cursor, sqlite3_int64* id) {
  *id = cursor_of(cursor).cursor->row_id();
  return SQLITE_OK;
}

sqlite3_module make_module() {
  sqlite3_module module = {};
  module.xConnect = connect;  // no xCreate: the table is there by its name, and only so
  module.xBestIndex = best_index;
  module.xDisconnect = disconnect;
  module.xOpen = open;
  module.xClose = close;
  module.xFilter = filter;
  module.xNext = next;
  module.xEof = at_end;
  module.xColumn = column;
  module.xRowid = row_id;
  return module;
}

}  // namespace

int register_module(sqlite3* database, ModuleContext& context) {
  static const sqlite3_module kModule = make_module();
  return sqlite3_create_module_v2(database, context.table->info().name, &kModule, &context, nullptr);
}

}  // namespace ivtrace::query
