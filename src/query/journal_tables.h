// The small tables, which the run's journal and its texts tell: machine, recorded, cpu, vcpu, thread,
// disk, clock.
#pragma once

#include <memory>
#include <vector>

#include "clock/clock_map.h"
#include "query/table.h"
#include "run/run_reader.h"

namespace ivtrace::query {

/// They borrow run and clock. Rows are made at the first use and kept in memory.
std::vector<std::unique_ptr<Table>> journal_tables(const run::RunReader& run, const clock::HostClock& clock);

}  // namespace ivtrace::query
