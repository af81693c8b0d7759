#include "exchange/perfetto_export.h"

#include <array>
#include <memory>

#include "exchange/perfetto_tables.h"
#include "exchange/tables.h"

namespace ivtrace::exchange {
namespace {

/// Rows between two looks at what may end the export.
constexpr std::uint64_t kBetweenLooks = 1u << 12;

/// The host's CLOCK_MONOTONIC at the run's start: an anchor's, less the time since.
std::int64_t monotonic_at_start(const Job& job) {
  if (job.run.anchors().empty()) return 0;
  const clock::Anchor& anchor = job.run.anchors().front();
  std::int64_t start = 0;
  if (__builtin_sub_overflow(anchor.monotonic.value, job.clock.to_ns(anchor.tsc).value, &start)) return 0;
  return start;
}

/// Is the row's machine, its third column, one that is asked for? Of findings it may be none of the run's.
bool wanted(const PerfettoTables& tables, const query::Statement& row) {
  return tables.job.filter.machines.empty() || tables.tracks.has(text_of(row.cell(2)));
}

}  // namespace

Status PerfettoTables::each_row(const char* what, std::string_view sql,
                                const std::function<void(const query::Statement&)>& take) const {
  job.progress.at(what, 0);
  query::Parameters parameters;
  for (const auto& [name, value] : {std::pair("from", from), std::pair("until", until)}) {
    if (sql.find(std::string(":") + name) != std::string_view::npos) parameters[name] = value;
  }
  IVT_ASSIGN_OR_RETURN(query::Statement rows, database.prepare(sql, parameters));
  const merge::TimeRange span = span_of(job);
  for (std::uint64_t count = 1;; ++count) {
    IVT_ASSIGN_OR_RETURN(const bool more, rows.step());
    if (!more) return {};
    if (wanted(*this, rows)) take(rows);
    if (count % kBetweenLooks != 0) continue;
    job.progress.at(what, share_of(span, job.clock.to_tsc(Nanoseconds(integer_of(rows.cell(1))))));
    IVT_RETURN_IF_ERROR(writer.status());
    IVT_RETURN_IF_ERROR(job.progress.check());
  }
}

Status write_perfetto(const Job& job) {
  IVT_ASSIGN_OR_RETURN(const std::unique_ptr<Tables> model, Tables::open(job));
  constexpr std::array kTables = {"io_request", "io_phase",   "block_request", "vcpu_slice",   "sched_slice",
                                  "irq_slice",  "mark_slice", "mark_instant",  "mark_counter", "loss"};
  IVT_RETURN_IF_ERROR(model->want(kTables));
  const HostTsc start = job.run.manifest().start_tsc;
  IVT_ASSIGN_OR_RETURN(PerfettoWriter writer, PerfettoWriter::create(job.place, monotonic_at_start(job),
                                                                     job.clock.to_realtime(start).value));
  PerfettoTracks tracks(writer, job.run, job.filter.machines);
  const auto bound = [&](const char* name) { return std::get<std::int64_t>(model->parameters().at(name)); };
  const PerfettoTables tables{job, model->database(), writer, tracks, bound("from"), bound("until")};
  for (const auto write : {write_findings, write_requests, write_vcpu_slices, write_sched_slices,
                           write_interrupts, write_program_marks, write_losses})
    IVT_RETURN_IF_ERROR(write(tables));
  IVT_RETURN_IF_ERROR(writer.close());
  return model->tell(job.summary);
}

}  // namespace ivtrace::exchange
