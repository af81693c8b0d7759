// The tables of the model as slices, markers and counters of Perfetto's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string_view>

#include "exchange/job.h"
#include "exchange/perfetto_tracks.h"
#include "exchange/perfetto_writer.h"
#include "query/database.h"

namespace ivtrace::exchange {

/// What the tables' writers share. Borrows all.
struct PerfettoTables {
  const Job& job;
  query::Database& database;
  PerfettoWriter& writer;
  PerfettoTracks& tracks;
  std::int64_t from;   ///< of what is asked for, ns since the run's start
  std::int64_t until;  ///< its end

  std::int64_t clip(std::int64_t time) const { return std::clamp(time, from, until); }
  /// A query's rows of the machines that are asked for, one by one. Its first columns are from_ns, until_ns
  /// and the machine; it may use :from and :until. Ends early when the export shall end or the file cannot be
  /// written.
  Status each_row(const char* what, std::string_view sql,
                  const std::function<void(const query::Statement&)>& take) const;
};

inline std::int64_t integer_of(const query::Cell& cell, std::int64_t otherwise = 0) {
  const auto* const integer = std::get_if<std::int64_t>(&cell);
  return integer != nullptr ? *integer : otherwise;
}
inline std::string_view text_of(const query::Cell& cell, std::string_view otherwise = {}) {
  const auto* const text = std::get_if<std::string_view>(&cell);
  return text != nullptr ? *text : otherwise;
}

/// Who had each CPU; idle CPUs have nothing.
Status write_sched_slices(const PerfettoTables& tables);
/// Interrupts and their deferred work.
Status write_interrupts(const PerfettoTables& tables);
/// What each vCPU did.
Status write_vcpu_slices(const PerfettoTables& tables);
/// Guests' disk requests, their phases within them, how many are open; and those of the host, with arrows
/// from the guest's request to those that served it.
Status write_requests(const PerfettoTables& tables);
/// What programs said by marks.
Status write_program_marks(const PerfettoTables& tables);
/// Holes, at their ends.
Status write_losses(const PerfettoTables& tables);
/// What the patterns found, at the begin of each.
Status write_findings(const PerfettoTables& tables);

}  // namespace ivtrace::exchange
