#include "exchange/table_export.h"

#include <vector>

#include "base/file_writer.h"
#include "exchange/tables.h"
#include "query/row_text.h"

namespace ivtrace::exchange {
namespace {

constexpr std::uint64_t kAskEvery = 4096;  // rows between two looks at the disk and the flag

/// A table's place among all of them, for the progress.
struct Turn {
  const query::TableInfo& table;
  std::size_t at;
  std::size_t count;
};

/// How far a row is: of a table whose rows rise, by where they rise to; of others nobody knows.
double done_of(const Turn& turn, const Job& job, const merge::TimeRange& span,
               std::span<const query::Cell> cells) {
  double within = 0;
  if (turn.table.order >= 0) {
    const auto* const ns = std::get_if<std::int64_t>(&cells[static_cast<std::size_t>(turn.table.order)]);
    if (ns != nullptr) within = share_of(span, job.clock.to_tsc(Nanoseconds(*ns)));
  }
  return (static_cast<double>(turn.at) + within) / static_cast<double>(turn.count);
}

Status write_rows(const Job& job, const Turn& turn, query::Statement& rows, query::RowForm form,
                  FileWriter& out) {
  const query::RowText text(form, rows.columns());
  const merge::TimeRange span = span_of(job);
  std::vector<query::Cell> cells(rows.columns().size());
  text.append_head(out.text());
  for (std::uint64_t row = 0;; ++row) {
    IVT_ASSIGN_OR_RETURN(const bool more, rows.step());
    if (!more) break;
    for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = rows.cell(i);
    text.append_row(out.text(), cells);
    out.spill();
    ++job.summary.events;
    if (row % kAskEvery != 0) continue;
    IVT_RETURN_IF_ERROR(out.status());
    IVT_RETURN_IF_ERROR(job.progress.check());
    job.progress.at(turn.table.name, done_of(turn, job, span, cells));
  }
  return out.close();
}

Status write_tables(const Job& job, query::RowForm form) {
  IVT_ASSIGN_OR_RETURN(const std::unique_ptr<Tables> tables, Tables::open(job));
  query::Database& database = tables->database();
  // All statements first: then one walk over the run makes the rows of all.
  const std::vector<const query::TableInfo*> infos = database.tables();
  std::vector<query::Statement> statements;
  for (const query::TableInfo* info : infos) {
    const std::string sql = std::string("SELECT * FROM ") + info->name + tables->condition(*info);
    IVT_ASSIGN_OR_RETURN(query::Statement statement, database.prepare(sql, tables->parameters()));
    statements.push_back(std::move(statement));
  }
  for (std::size_t i = 0; i < infos.size(); ++i) {
    const std::string path =
        job.place + "/" + infos[i]->name + (form == query::RowForm::kJson ? ".jsonl" : ".csv");
    IVT_ASSIGN_OR_RETURN(FileWriter out, FileWriter::create(path));
    IVT_RETURN_IF_ERROR(write_rows(job, {*infos[i], i, infos.size()}, statements[i], form, out));
  }
  return tables->tell(job.summary);
}

}  // namespace

Status write_json(const Job& job) { return write_tables(job, query::RowForm::kJson); }
Status write_csv(const Job& job) { return write_tables(job, query::RowForm::kCsv); }

}  // namespace ivtrace::exchange
