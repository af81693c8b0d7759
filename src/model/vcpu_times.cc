#include "model/vcpu_times.h"

#include <algorithm>
#include <map>
#include <utility>

#include "model/thread_owners.h"

namespace ivtrace::model {
namespace {

constexpr std::size_t kMaxPreemptors = 4096;  // per vCPU; what comes later is one that is not known

void add(StateTime& time, HostTsc from, HostTsc until) {
  const std::uint64_t ticks = until.value - from.value;
  time.ticks += ticks;
  ++time.times;
  if (ticks <= time.longest) return;
  time.longest = ticks;
  time.longest_at = from;
}

/// Sums up one lane's slices.
class Sum {
 public:
  explicit Sum(const VcpuLane& lane) { result_.lane = lane; }

  void add_slice(const VcpuSlice& slice, const ThreadOwners& owners) {
    add(result_.states[static_cast<std::size_t>(slice.state)], slice.from, slice.until);
    if (slice.state != VcpuState::kPreempted) return;
    const bool room = by_.size() < kMaxPreemptors || by_.contains(slice.by.tid);
    Preemptor& by = by_[room ? slice.by.tid : -1];
    by.tid = room ? slice.by.tid : -1;
    if (room) by.comm = slice.by.name();
    if (room) by.machine = owners.owner(slice.by);
    add(by.time, slice.from, slice.until);
  }
  VcpuTimes finish(std::uint64_t range_ticks) {
    for (auto& [tid, by] : by_) result_.preempted_by.push_back(std::move(by));
    std::stable_sort(result_.preempted_by.begin(), result_.preempted_by.end(),
                     [](const Preemptor& a, const Preemptor& b) { return a.time.ticks > b.time.ticks; });
    result_.unknown = range_ticks - std::min(range_ticks, result_.known());
    return std::move(result_);
  }

 private:
  VcpuTimes result_;
  std::map<std::int32_t, Preemptor> by_;
};

/// One pass.
Result<AllVcpuTimes> read_times(const run::RunReader& run, merge::TimeRange range, const LostRanges& lost) {
  // From the run's start on: what a vCPU does at the range's beginning was decided before it.
  merge::Filter filter;
  filter.range.until = range.until;
  IVT_ASSIGN_OR_RETURN(merge::RunEvents events, merge::RunEvents::open(run, filter));
  const std::size_t host = host_machine(run);
  ThreadOwners owners(run, events.formats(host));
  std::vector<Sum> sums;
  VcpuStates states(run, events, [&](VcpuSlice slice) {
    lost.spare(std::max(slice.from, range.from), slice.until, [&](HostTsc from, HostTsc until) {
      slice.from = from;
      slice.until = until;
      sums[slice.lane].add_slice(slice, owners);
    });
  });
  AllVcpuTimes times;
  if (!states.recorded()) return times;
  for (const VcpuLane& lane : states.lanes()) sums.emplace_back(lane);
  times.walk = walk(run, events, [&](const merge::MergedEvent& event) {
    if (event.loss == nullptr && event.stream->machine == host) owners.look(event.id, event.record);
    states.look(event);
  });
  states.finish();
  const HostTsc begin = std::max(range.from, run.manifest().start_tsc);
  const std::uint64_t ticks = times.walk.end > begin ? times.walk.end.value - begin.value : 0;
  for (Sum& sum : sums) times.vcpus.push_back(sum.finish(ticks));
  return times;
}

}  // namespace

std::uint64_t VcpuTimes::known() const {
  std::uint64_t sum = 0;
  for (const StateTime& state : states) sum += state.ticks;
  return sum;
}

Result<AllVcpuTimes> measure_vcpu_times(const run::RunReader& run, merge::TimeRange range) {
  return read_knowing_losses([&](const LostRanges& lost) { return read_times(run, range, lost); });
}

}  // namespace ivtrace::model
