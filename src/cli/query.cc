#include <CLI/App.hpp>
#include <array>
#include <memory>

#include "base/text.h"
#include "cli/cache_option.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/query_writer.h"
#include "cli/run_info_load.h"
#include "patterns/finding_table.h"
#include "patterns/library.h"
#include "query/database.h"

namespace ivtrace::cli {
namespace {

struct QueryOptions {
  std::string run;
  std::string sql;
  bool json = false;
  bool csv = false;
  query::CacheUse cache = query::CacheUse::kIfPossible;

  QueryWriter::Format format() const {
    if (csv) return QueryWriter::Format::kCsv;
    return json ? QueryWriter::Format::kJson : QueryWriter::Format::kText;
  }
};

/// One row for each table.
void list_tables(const query::Database& database, QueryWriter::Format format, Output& out) {
  QueryWriter writer(format, {"table", "meaning"}, out);
  for (const query::TableInfo* table : database.tables()) {
    const std::array<query::Cell, 2> row = {std::string_view(table->name), std::string_view(table->meaning)};
    writer.row(row);
  }
  writer.finish();
}

/// The declarations as SQL for people, one row for each column for programs.
void show_schema(std::span<const query::TableInfo* const> tables, QueryWriter::Format format, Output& out) {
  if (format == QueryWriter::Format::kText) {
    for (const query::TableInfo* table : tables) out << schema_text(*table);
    return;
  }
  QueryWriter writer(format, {"table", "column", "type", "unit", "meaning"}, out);
  for (const query::TableInfo* table : tables) {
    for (const query::Column& column : table->columns) {
      const std::array<query::Cell, 5> row = {std::string_view(table->name), std::string_view(column.name),
                                              std::string_view(to_string(column.type)),
                                              std::string_view(column.unit),
                                              std::string_view(column.meaning)};
      writer.row(row);
    }
  }
  writer.finish();
}

/// ".tables", ".schema", ".schema TABLE".
Status answer_dot_word(const query::Database& database, const QueryOptions& options, Output& out) {
  const std::string_view text = trim(options.sql);
  const std::string_view word = text.substr(0, text.find(' '));
  const std::string_view argument = trim(text.substr(word.size()));
  if (word == ".tables" && argument.empty()) {
    list_tables(database, options.format(), out);
    return {};
  }
  if (word != ".schema")
    return Error(ErrorCode::kInvalid, "there is no " + std::string(text),
                 "there are .tables and .schema [TABLE]");
  if (argument.empty()) {
    show_schema(database.tables(), options.format(), out);
    return {};
  }
  const query::TableInfo* const table = database.find(argument);
  if (table == nullptr) {
    std::string hint;
    for (const std::string& name : database.nearest_tables(argument))
      hint += (hint.empty() ? "" : ", ") + name;
    return Error(ErrorCode::kInvalid, "there is no table " + std::string(argument),
                 hint.empty() ? ".tables lists them" : "did you mean " + hint + "?");
  }
  show_schema({&table, 1}, options.format(), out);
  return {};
}

Status write_rows(query::Statement& statement, QueryWriter::Format format, Output& out) {
  QueryWriter writer(format, statement.columns(), out);
  std::vector<query::Cell> cells(statement.columns().size());
  Status status;
  while (!out.closed()) {
    const Result<bool> more = statement.step();
    if (!more) status = more.error();
    if (!more || !*more) break;
    for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = statement.cell(i);
    writer.row(cells);
  }
  writer.finish();
  return status;
}

ExitCode ended(Streams& streams, const Error& error, ExitCode code) {
  print_error(streams, error);
  return code;
}

ExitCode run_query(const QueryOptions& options, Streams& streams) {
  const Result<run::RunReader> run = run::RunReader::open(options.run);
  if (!run) return ended(streams, run.error(), ExitCode::kFailed);
  const Result<clock::HostClock> clock = host_clock_of(*run);
  if (!clock) return ended(streams, clock.error(), ExitCode::kFailed);
  const InterruptFlag interrupt;
  std::vector<std::unique_ptr<query::Table>> more;
  more.push_back(
      patterns::finding_table(*run, *clock, interrupt.flag(), options.cache,
                              patterns::load_library(patterns::pattern_directories(), {}).patterns));
  const Result<std::unique_ptr<query::Database>> opened =
      query::Database::open(*run, *clock, interrupt.flag(), options.cache, std::move(more));
  if (!opened) return ended(streams, opened.error(), ExitCode::kFailed);
  query::Database& database = **opened;
  if (trim(options.sql).starts_with('.')) {
    const Status answered = answer_dot_word(database, options, streams.out);
    return answered ? ExitCode::kOk : ended(streams, answered.error(), ExitCode::kUsage);
  }
  Result<query::Statement> statement = database.prepare(options.sql);
  if (!statement) return ended(streams, statement.error(), ExitCode::kUsage);
  const Status written = write_rows(*statement, options.format(), streams.out);
  streams.out.flush();
  for (const std::string& notice : database.notices()) print_notice(streams, notice);
  if (!written) return ended(streams, written.error(), ExitCode::kFailed);
  if (run->damage_total() == 0 && !database.incomplete()) return ExitCode::kOk;
  print_notice(streams, "events are missing in the run, see ivtrace info: where they are, nothing is told");
  return ExitCode::kLoss;
}

}  // namespace

void add_query_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command = app.add_subcommand("query", "Answers questions in SQL about a run");
  const auto options = std::make_shared<QueryOptions>();
  command->add_option("run", options->run, "The run directory")->required()->type_name("RUN");
  command->add_option("sql", options->sql, "A SELECT, or .tables, or \".schema [TABLE]\"")
      ->required()
      ->type_name("SQL");
  CLI::Option* const json = command->add_flag("--json", options->json, "One JSON object per line");
  command->add_flag("--csv", options->csv, "Comma-separated values with a head")->excludes(json);
  add_cache_option(*command, options->cache);
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) { return run_query(*options, streams); };
  });
}

}  // namespace ivtrace::cli
