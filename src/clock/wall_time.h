// Wall-clock times as text: what --from and --until take and what reports show.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/units.h"

namespace ivtrace::clock {

/// ISO 8601: "2026-01-31T09:04:05.123456789Z", fraction and zone ("Z", "+02:00") optional, a blank instead of
/// T allowed, no zone means UTC. The result counts from the Unix epoch. Anything else is kInvalid.
Result<Nanoseconds> parse_wall_time(std::string_view text);

/// "2026-01-31T09:04:05.123456789Z".
std::string format_wall_time(Nanoseconds since_epoch);

}  // namespace ivtrace::clock
