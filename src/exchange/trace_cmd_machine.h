// One machine of a run as a trace.dat of its own.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "exchange/job.h"
#include "exchange/trace_cmd_pages.h"
#include "exchange/trace_dat_writer.h"
#include "exchange/tsc_to_ns.h"
#include "merge/run_events.h"

namespace ivtrace::exchange {

/// What all files of an export share. Borrows.
struct TraceCmdJob {
  const Job& job;
  merge::RunEvents& events;
  merge::TimeRange span;
  TscToNs speed;
};

/// A machine and those of its streams that have events, in the order of RunEvents: buffer, CPU.
struct TraceCmdMachine {
  std::size_t index = 0;  ///< in RunReader::machines()
  std::vector<merge::EventStream*> streams;
};

/// The number by which the files of a run know a machine. Never 0.
std::uint64_t trace_id(const run::RunReader& run, const std::string& machine);
/// What a guest's CPUs are called on the host: an option of the host's file.
std::string guest_option(const run::RunReader& run, std::size_t machine);

/// Writes the machine's file; `guests` are those that have files, for the host's. `part` is its part of all
/// the work. Fills the job's summary.
Status write_machine(const TraceCmdJob& job, const TraceCmdMachine& machine,
                     const std::vector<std::size_t>& guests, const ProgressPart& part);

}  // namespace ivtrace::exchange
