// Points in time as people give them to --from and --until.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/units.h"

namespace ivtrace::cli {

/// A point in time that was given but not yet placed: which clock it is on depends on how it was written.
struct TimeSpec {
  enum class Kind {
    kFromStart,  ///< `ns` counts from the run's start
    kRealtime,   ///< `ns` counts from the Unix epoch
    kHostTsc,    ///< `tsc` is the host's time-stamp counter
  };
  Kind kind = Kind::kFromStart;
  Nanoseconds ns;
  HostTsc tsc;
};

/// "1.5" or "250ms" from the run's start; "2025-03-01T12:00:00.5Z" (without a zone: UTC, as all that ivtrace
/// prints);
/// "@123456" a host TSC.
Result<TimeSpec> parse_time(std::string_view text);

}  // namespace ivtrace::cli
