#include "cli/time_range.h"

#include <CLI/App.hpp>

#include "cli/report_time.h"

namespace ivtrace::cli {
namespace {

Result<HostTsc> place(const std::string& text, const clock::HostClock& clock) {
  IVT_ASSIGN_OR_RETURN(const TimeSpec spec, parse_time(text));
  switch (spec.kind) {
    case TimeSpec::Kind::kFromStart:
      return clock.to_tsc(spec.ns);
    case TimeSpec::Kind::kRealtime:
      return clock.from_realtime(spec.ns);
    case TimeSpec::Kind::kHostTsc:
      break;
  }
  return spec.tsc;
}

}  // namespace

void add_time_range(CLI::App& command, TimeRangeOptions& options) {
  command.add_option("--from", options.from, "Not before T: seconds from the start, ISO time or @TSC")
      ->type_name("T");
  command.add_option("--until", options.until, "Not after T")->type_name("T");
}

Status check_time_range(const TimeRangeOptions& options) {
  for (const std::string* text : {&options.from, &options.until}) {
    if (text->empty()) continue;
    if (const Result<TimeSpec> spec = parse_time(*text); !spec) return spec.error();
  }
  return {};
}

Result<merge::TimeRange> place_time_range(const TimeRangeOptions& options, const clock::HostClock& clock) {
  merge::TimeRange range;
  if (!options.from.empty()) {
    IVT_ASSIGN_OR_RETURN(range.from, place(options.from, clock));
  }
  if (!options.until.empty()) {
    IVT_ASSIGN_OR_RETURN(range.until, place(options.until, clock));
  }
  if (range.until < range.from)
    return Error(ErrorCode::kInvalid, "--until " + options.until + " is before --from " + options.from);
  return range;
}

}  // namespace ivtrace::cli
