#include "cli/report_time.h"

#include <string>

#include "base/text.h"
#include "clock/wall_time.h"

namespace ivtrace::cli {

Result<TimeSpec> parse_time(std::string_view text) {
  TimeSpec spec;
  if (text.starts_with('@')) {
    const Result<std::uint64_t> tsc = parse_u64(text.substr(1));
    if (tsc) {
      spec.kind = TimeSpec::Kind::kHostTsc;
      spec.tsc = HostTsc(*tsc);
      return spec;
    }
  } else if (const Result<Nanoseconds> span = parse_duration(text)) {
    spec.ns = *span;
    return spec;
  } else if (const Result<Nanoseconds> wall = clock::parse_wall_time(text)) {
    spec.kind = TimeSpec::Kind::kRealtime;
    spec.ns = *wall;
    return spec;
  }
  std::string shown;
  append_terminal_safe(shown, text);
  return Error(
      ErrorCode::kInvalid, "\"" + shown + "\" is not a time",
      "seconds from the run's start (1.5), an ISO time (2025-03-01T12:00:00Z) or a host TSC (@123456)");
}

}  // namespace ivtrace::cli
