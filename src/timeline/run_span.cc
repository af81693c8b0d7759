#include "timeline/run_span.h"

#include <algorithm>

#include "format/run_layout.h"
#include "merge/run_events.h"

namespace ivtrace::timeline {
namespace {

HostTsc last_of_journal(const run::RunReader& run) {
  HostTsc last = run.manifest().start_tsc;
  if (run.end()) last = std::max(last, run.end()->tsc);
  for (const clock::Anchor& anchor : run.anchors()) last = std::max(last, anchor.tsc);
  for (const run::Machine& machine : run.machines()) {
    for (const run::PagesFile& file : machine.files) {
      if (!file.marks.empty()) last = std::max(last, file.marks.back().tsc);
    }
  }
  return last;
}

}  // namespace

std::int64_t run_duration(const run::RunReader& run, const clock::HostClock& clock) {
  HostTsc last = last_of_journal(run);
  const run::Machine* const host = run.find(format::kHostMachine);
  merge::Filter filter;
  if (host != nullptr && !host->files.empty()) filter.machines = {format::kHostMachine};
  // Only what lies behind all that the journal tells: the recorder died, or the last pages came late.
  filter.range.from = last;
  if (Result<merge::RunEvents> events = merge::RunEvents::open(run, filter)) {
    merge::MergedEvent event;
    while (events->next(event)) {
      if (event.loss == nullptr) last = std::max(last, event.time);
    }
  }
  return std::max<std::int64_t>(0, clock.to_ns(last).value);
}

}  // namespace ivtrace::timeline
