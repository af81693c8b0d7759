// The rows of io_slow and io_slow_load, of what the model found.
#pragma once

#include <vector>

#include "base/result.h"
#include "clock/clock_map.h"
#include "model/slow_io.h"
#include "query/row_file.h"
#include "query/row_kinds.h"

namespace ivtrace::query {

/// Sealed. A load knows its stretch by the place of that among the others.
struct SlowIoRows {
  Rows<IoSlowRow> slows;
  Rows<IoSlowLoadRow> loads;
};
/// Fails when the rows' files cannot be written.
Result<SlowIoRows> slow_io_rows(const std::vector<model::SlowIo>& found, double ns_per_tick,
                                clock::NearClock& clock);

}  // namespace ivtrace::query
