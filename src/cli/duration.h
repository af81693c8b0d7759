// Durations for people.
#pragma once

#include <cstdint>
#include <string>

namespace ivtrace::cli {

/// Nanoseconds in the unit in which they have few digits: "812 ns", "3120.5 us", "17.2 ms", "12.0 s".
std::string duration_text(std::int64_t ns);

}  // namespace ivtrace::cli
