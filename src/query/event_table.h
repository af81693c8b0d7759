// The table `event`: every event of the run, streamed from the merged order, never kept.
//
// Conditions on machine, CPU and time choose what is read at all (merge::Filter); those on names and thread
// leave events out before anything is made of them. An event's text is made only for rows that show it.
#pragma once

#include <memory>

#include "clock/clock_map.h"
#include "query/model_rows.h"
#include "query/table.h"
#include "run/run_reader.h"

namespace ivtrace::query {

/// Borrows all that is given.
std::unique_ptr<Table> event_table(const run::RunReader& run, const clock::HostClock& clock, StopFlag stop,
                                   Notices& notices);

}  // namespace ivtrace::query
