// A run's events, walked once for what some part of the model makes of them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "merge/run_events.h"
#include "model/lost_ranges.h"
#include "model/vcpu_events.h"

namespace ivtrace::model {

/// What a walk came by besides events.
struct Walk {
  HostTsc end;              ///< of the last item
  bool incomplete = false;  ///< events of some machine are missing: they were lost, or have no place in time
  LostRanges lost;          ///< of the host; only holes that have a place, not joined
  std::vector<std::string> notices;  ///< one line each, for people: what was left out
};

/// What the recorder's counters tell without a time has the whole run as its range: a loss without a place.
inline bool has_place(const merge::LossMarker& loss, const run::RunReader& run) {
  return loss.kind != merge::LossKind::kRecorded || loss.from > run.manifest().start_tsc;
}

/// Calls `look` for each event and hole.
template <class Look>
Walk walk(const run::RunReader& run, merge::RunEvents& events, Look&& look) {
  Walk walked;
  walked.end = run.manifest().start_tsc;
  walked.notices = events.notices();
  walked.incomplete = !events.unaligned().empty() || run.damage_total() > 0;
  const std::size_t host = host_machine(run);
  merge::MergedEvent event;
  while (events.next(event)) {
    walked.end = event.time;
    look(std::as_const(event));
    if (event.loss == nullptr) continue;
    walked.incomplete = true;
    if (has_place(*event.loss, run) && event.stream->machine == host) walked.lost.add(*event.loss);
  }
  return walked;
}

/// A hole is told at its end, when what lies within it has been looked at already. So `read(known)`, which
/// gives something with a `walk`, is called once, and where the host lost events a second time, with what was
/// lost. Most hosts lose nothing.
template <class Read>
auto read_knowing_losses(Read&& read) -> decltype(read(LostRanges{})) {
  auto first = read(LostRanges{});
  if (!first || first->walk.lost.empty()) return first;
  LostRanges lost = std::move(first->walk.lost);
  lost.join();
  return read(std::move(lost));
}

}  // namespace ivtrace::model
