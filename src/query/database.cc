#include "query/database.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "query/event_table.h"
#include "query/journal_tables.h"
#include "query/model_tables.h"

namespace ivtrace::query {
namespace {

constexpr int kAskEvery = 1000;  // instructions of SQLite's machine between two looks at the stop flag
constexpr int kMaxText = 64 << 20;

int ask_to_stop(void* stop) { return stopped(static_cast<StopFlag>(stop)) ? 1 : 0; }

Error no_reading_error() {
  return Error(ErrorCode::kPermission, "a query only reads: it is a SELECT, of the run's tables",
               "ivtrace query RUN .tables lists them");
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

Statement::Statement(Database& database, sqlite3_stmt* statement)
    : database_(&database), statement_(statement) {
  const int count = sqlite3_column_count(statement);
  for (int i = 0; i < count; ++i) {
    const char* const name = sqlite3_column_name(statement, i);
    columns_.emplace_back(name != nullptr ? name : "");
  }
}
Statement::Statement(Statement&& other) noexcept
    : database_(other.database_),
      statement_(std::exchange(other.statement_, nullptr)),
      columns_(std::move(other.columns_)) {}
Statement::~Statement() { sqlite3_finalize(statement_); }

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return database_->error_of(code, "");
}

Cell Statement::cell(std::size_t column) const {
  const int at = static_cast<int>(column);
  switch (sqlite3_column_type(statement_, at)) {
    case SQLITE_INTEGER:
      return static_cast<std::int64_t>(sqlite3_column_int64(statement_, at));
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement_, at);
    case SQLITE_TEXT:
    case SQLITE_BLOB: {
      const auto* const bytes = static_cast<const char*>(sqlite3_column_blob(statement_, at));
      return std::string_view(bytes != nullptr ? bytes : "",
                              static_cast<std::size_t>(sqlite3_column_bytes(statement_, at)));
    }
    default:
      return {};
  }
}

OwnedCell Statement::owned_cell(std::size_t column) const {
  const Cell value = cell(column);
  if (const auto* const number = std::get_if<std::int64_t>(&value)) return *number;
  if (const auto* const real = std::get_if<double>(&value)) return *real;
  if (const auto* const text = std::get_if<std::string_view>(&value)) return std::string(*text);
  return {};
}

Database::~Database() { sqlite3_close(database_); }

/// What a statement may do. SQLite asks while it makes one, and so tells which tables it reads.
int Database::authorize(void* database, int action, const char* first, const char* second, const char*,
                        const char*) {
  switch (action) {
    case SQLITE_READ:
      for (const auto& table : static_cast<Database*>(database)->tables_) {
        if (std::string_view(table->info().name) == first) table->want();
      }
      return SQLITE_OK;
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
      return SQLITE_OK;
    case SQLITE_FUNCTION:
      // It is off anyway.
      return sqlite3_stricmp(second, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
    default:
      return SQLITE_DENY;
  }
}

Result<std::unique_ptr<Database>> Database::open(const run::RunReader& run, const clock::HostClock& clock,
                                                 StopFlag stop, CacheUse cache,
                                                 std::vector<std::unique_ptr<Table>> more) {
  std::unique_ptr<Database> database(new Database(stop));
  database->own_rows_ = std::make_unique<ModelRows>(run, clock, stop, database->notices_, cache);
  database->rows_ = database->own_rows_.get();
  IVT_RETURN_IF_ERROR(database->connect(clock, std::move(more)));
  return database;
}

Result<std::unique_ptr<Database>> Database::open(ModelRows& rows, const clock::HostClock& clock,
                                                 StopFlag stop, std::vector<std::unique_ptr<Table>> more) {
  std::unique_ptr<Database> database(new Database(stop));
  database->notices_ = rows.notices();
  database->rows_ = &rows;
  IVT_RETURN_IF_ERROR(database->connect(clock, std::move(more)));
  return database;
}

Status Database::connect(const clock::HostClock& clock, std::vector<std::unique_ptr<Table>> more) {
  tables_ = std::move(more);
  tables_.push_back(event_table(rows_->run(), clock, stop_, notices_));
  std::ranges::move(journal_tables(rows_->run(), clock), std::back_inserter(tables_));
  std::ranges::move(model_tables(*rows_), std::back_inserter(tables_));
  std::ranges::sort(tables_, {}, [](const auto& table) { return std::string_view(table->info().name); });
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(":memory:", &database_, kFlags, nullptr) != SQLITE_OK)
    return error_of(SQLITE_ERROR, "");
  sqlite3_db_config(database_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_limit(database_, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_limit(database_, SQLITE_LIMIT_LENGTH, kMaxText);
  for (const auto& table : tables_) {
    contexts_.push_back(
        std::make_unique<ModuleContext>(ModuleContext{table.get(), &rows_visited_, &failure_}));
    const int code = register_module(database_, *contexts_.back());
    if (code != SQLITE_OK) return error_of(code, "");
    // A table's first use declares it to SQLite, by a CREATE TABLE that the authorizer would refuse later.
    const Result<Statement> first = prepare(std::string("SELECT 1 FROM ") + table->info().name);
    if (!first) return first.error();
  }
  sqlite3_set_authorizer(database_, authorize, this);
  if (stop_ != nullptr)
    sqlite3_progress_handler(database_, kAskEvery, ask_to_stop, const_cast<std::atomic<bool>*>(stop_));
  return {};
}

Result<Statement> Database::prepare(std::string_view sql, const Parameters& parameters) {
  failure_ = {};
  error_offset_.reset();
  sqlite3_stmt* made = nullptr;
  const char* rest = nullptr;
  const int code = sqlite3_prepare_v2(database_, sql.data(), static_cast<int>(sql.size()), &made, &rest);
  if (code != SQLITE_OK) return error_of(code, sql);
  if (made == nullptr) return Error(ErrorCode::kInvalid, "there is no query in it", "SELECT … FROM …");
  Statement statement(*this, made);
  if (sqlite3_stmt_readonly(made) == 0) return no_reading_error();
  // Blanks, comments and semicolons make no statement.
  sqlite3_stmt* second = nullptr;
  const auto left = sql.size() - static_cast<std::size_t>(rest - sql.data());
  const int more = sqlite3_prepare_v2(database_, rest, static_cast<int>(left), &second, nullptr);
  sqlite3_finalize(second);
  if (more != SQLITE_OK || second != nullptr)
    return Error(ErrorCode::kInvalid, "one statement at a time", "UNION ALL joins the rows of two");
  IVT_RETURN_IF_ERROR(bind(made, parameters));
  return statement;
}

Status Database::bind(sqlite3_stmt* statement, const Parameters& parameters) {
  for (int i = 1; i <= sqlite3_bind_parameter_count(statement); ++i) {
    const char* const name = sqlite3_bind_parameter_name(statement, i);
    const auto given = name != nullptr ? parameters.find(name + 1) : parameters.end();
    if (given == parameters.end()) {
      return Error(ErrorCode::kInvalid, std::string("the query has a parameter (") +
                                            (name != nullptr ? name : "?") +
                                            "), and nothing gives it a value");
    }
    if (const auto* const number = std::get_if<std::int64_t>(&given->second)) {
      sqlite3_bind_int64(statement, i, *number);
    } else if (const auto* const real = std::get_if<double>(&given->second)) {
      sqlite3_bind_double(statement, i, *real);
    } else if (const auto* const text = std::get_if<std::string>(&given->second)) {
      sqlite3_bind_text(statement, i, text->data(), static_cast<int>(text->size()), SQLITE_TRANSIENT);
    }
  }
  return {};
}

Error Database::error_of(int code, std::string_view sql) {
  if (!failure_) return std::exchange(failure_, Status()).error();
  if (code == SQLITE_INTERRUPT) return interrupted_error();
  if (code == SQLITE_FULL)
    return Error(ErrorCode::kExhausted, "no room for temporary files in $TMPDIR or /var/tmp",
                 "set TMPDIR to a folder with more room");
  const std::string said = database_ != nullptr ? sqlite3_errmsg(database_) : sqlite3_errstr(code);
  // SQLite itself refuses what would change a virtual table before it asks the authorizer.
  const bool refused = said == "not authorized" || said.find("may not be ") != std::string::npos;
  if (code == SQLITE_AUTH || refused) return no_reading_error();
  std::string hint = hint_for(said);
  if (const int at = database_ != nullptr ? sqlite3_error_offset(database_) : -1;
      at >= 0 && static_cast<std::size_t>(at) < sql.size()) {
    constexpr std::size_t kShown = 30;
    error_offset_ = static_cast<std::size_t>(at);
    const std::string_view rest = sql.substr(*error_offset_, kShown);
    if (hint.empty()) hint = "at \"" + std::string(rest.substr(0, rest.find('\n'))) + "\"";
  }
  return Error(code == SQLITE_NOMEM ? ErrorCode::kExhausted : ErrorCode::kInvalid, said, std::move(hint));
}

std::string Database::hint_for(std::string_view message) const {
  constexpr std::string_view kNoTable = "no such table: ";
  constexpr std::string_view kNoColumn = "no such column: ";
  if (message.starts_with(kNoTable)) {
    const std::vector<std::string> nearest = nearest_tables(message.substr(kNoTable.size()));
    return nearest.empty() ? ".tables lists them" : "did you mean " + joined(nearest) + "?";
  }
  if (!message.starts_with(kNoColumn)) return {};
  std::string_view wanted = message.substr(kNoColumn.size());
  wanted.remove_prefix(wanted.rfind('.') + 1);  // npos + 1 is 0
  std::set<std::string> names;
  for (const auto& table : tables_) {
    for (const Column& column : table->info().columns) names.insert(column.name);
  }
  const std::vector<std::string> list(names.begin(), names.end());
  const std::vector<std::string> nearest = nearest_names(wanted, list);
  return nearest.empty() ? ".schema lists them" : "did you mean " + joined(nearest) + "?";
}

std::vector<const TableInfo*> Database::tables() const {
  std::vector<const TableInfo*> infos;
  for (const auto& table : tables_) infos.push_back(&table->info());
  return infos;
}

const TableInfo* Database::find(std::string_view name) const {
  for (const auto& table : tables_) {
    if (name == table->info().name) return &table->info();
  }
  return nullptr;
}

std::vector<std::string> Database::nearest_tables(std::string_view name) const {
  std::vector<std::string> names;
  for (const auto& table : tables_) names.emplace_back(table->info().name);
  return nearest_names(name, names);
}

}  // namespace ivtrace::query
