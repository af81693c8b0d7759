// --from and --until, as every command has them that can be asked for a part of a run.
#pragma once

#include <string>

#include "base/result.h"
#include "clock/clock_map.h"
#include "merge/stream.h"

namespace CLI {
class App;
}

namespace ivtrace::cli {

/// The options' texts; "" when not given.
struct TimeRangeOptions {
  std::string from;
  std::string until;
};

/// Declares both options. `options` outlives the parse.
void add_time_range(CLI::App& command, TimeRangeOptions& options);
/// kInvalid when a text is no point in time: wrong usage, whatever the run.
Status check_time_range(const TimeRangeOptions& options);
/// The range on the run's clock. kInvalid when it ends before it begins.
Result<merge::TimeRange> place_time_range(const TimeRangeOptions& options, const clock::HostClock& clock);

}  // namespace ivtrace::cli
