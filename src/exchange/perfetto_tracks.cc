#include "exchange/perfetto_tracks.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"

namespace ivtrace::exchange {
namespace {

const char* name_of(PerfettoGroup group) {
  switch (group) {
    case PerfettoGroup::kRequests:
      return "Disk requests";
    case PerfettoGroup::kDisks:
      return "Requests to block devices";
    case PerfettoGroup::kVcpus:
      return "vCPUs";
    case PerfettoGroup::kCpus:
      return "CPUs";
    case PerfettoGroup::kInterrupts:
      return "Interrupts";
    case PerfettoGroup::kPrograms:
      return "Programs' marks";
    case PerfettoGroup::kLosses:
      return "Lost events";
  }
  return "";
}

}  // namespace

PerfettoTrack PerfettoLanes::take(std::int64_t from, std::int64_t until) {
  // The lane that was left last: the others are free for what began earlier and is told later.
  const auto behind = lanes_.upper_bound(from);
  PerfettoTrack lane = 0;
  if (behind == lanes_.begin()) {
    lane = writer_.track(parent_, name_, rank_);
  } else {
    lane = std::prev(behind)->second;
    lanes_.erase(std::prev(behind));
  }
  lanes_.emplace(std::max(from, until), lane);
  return lane;
}

PerfettoTracks::PerfettoTracks(PerfettoWriter& writer, const run::RunReader& run,
                               const std::vector<std::string>& wanted)
    : writer_(writer) {
  std::int32_t order = 0;
  for (const run::Machine& machine : run.machines()) {
    const std::string& name = machine.info.name;
    if (wanted.empty() || std::ranges::find(wanted, name) != wanted.end())
      machines_.emplace(name, writer.process(name, ++order));
  }
}

PerfettoLanes& PerfettoTracks::lanes(std::string_view machine, PerfettoGroup group, std::string_view name,
                                     std::int32_t rank) {
  Key key{this->group(machine, group), std::string(name)};
  const auto found = lanes_.find(key);
  if (found != lanes_.end()) return found->second;
  PerfettoLanes made(writer_, key.first, key.second, rank);
  return lanes_.emplace(std::move(key), std::move(made)).first->second;
}

PerfettoTrack PerfettoTracks::counter(std::string_view machine, PerfettoGroup group, std::string_view name) {
  Key key{this->group(machine, group), std::string(name)};
  const auto found = counters_.find(key);
  if (found != counters_.end()) return found->second;
  const PerfettoTrack made = writer_.counter(key.first, name, 0);
  counters_.emplace(std::move(key), made);
  return made;
}

PerfettoTrack PerfettoTracks::group(std::string_view machine, PerfettoGroup group) {
  const auto process = machines_.find(machine);
  IVT_CHECK(process != machines_.end());
  PerfettoTrack& track = groups_[{process->second, group}];
  if (track == 0) track = writer_.track(process->second, name_of(group), static_cast<std::int32_t>(group));
  return track;
}

}  // namespace ivtrace::exchange
