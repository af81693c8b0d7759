#include "model/device_load.h"

#include <algorithm>

namespace ivtrace::model {

LoadIntegral DeviceLoad::up_to(const State& state, HostTsc at) {
  const double ticks = at > state.since ? static_cast<double>(at.value - state.since.value) : 0;
  return {state.sum.request_ticks + ticks * state.requests, state.sum.byte_ticks + ticks * state.bytes};
}

void DeviceLoad::change(const IoOwner& owner, double requests, double bytes, HostTsc at) {
  const bool room = owners_.size() < kMaxOwners || owners_.contains(owner);
  State& state = owners_[room ? owner : IoOwner{owner.machine, "others"}];
  state.sum = up_to(state, at);
  state.since = at;
  state.requests = std::max(0.0, state.requests + requests);
  state.bytes = std::max(0.0, state.bytes + bytes);
}

DeviceLoad::Snapshot DeviceLoad::now(HostTsc at) const {
  Snapshot snapshot;
  for (const auto& [owner, state] : owners_) snapshot.emplace(owner, up_to(state, at));
  return snapshot;
}

DeviceLoad::Snapshot DeviceLoad::between(const Snapshot& from, const Snapshot& until) {
  Snapshot added;
  for (const auto& [owner, sum] : until) {
    const auto before = from.find(owner);
    const LoadIntegral start = before == from.end() ? LoadIntegral{} : before->second;
    const LoadIntegral load{sum.request_ticks - start.request_ticks, sum.byte_ticks - start.byte_ticks};
    if (load.request_ticks > 0 || load.byte_ticks > 0) added.emplace(owner, load);
  }
  return added;
}

}  // namespace ivtrace::model
