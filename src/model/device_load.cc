#include "model/device_load.h"

#include <algorithm>

namespace ivtrace::model {

DeviceWork& DeviceWork::operator+=(const DeviceWork& other) {
  for (const auto& [owner, load] : other.owners) owners[owner] += load;
  requests += other.requests;
  bytes += other.bytes;
  return *this;
}

LoadIntegral DeviceLoad::up_to(const State& state, HostTsc at) {
  const double ticks = at > state.since ? static_cast<double>(at.value - state.since.value) : 0;
  return {state.sum.request_ticks + ticks * state.requests, state.sum.byte_ticks + ticks * state.bytes};
}

void DeviceLoad::change(const IoOwner& owner, double requests, double bytes, HostTsc at) {
  const bool room = owners_.size() < kMaxOwners || owners_.contains(owner);
  State& state = owners_[room ? owner : IoOwner{owner.machine, "others", owner.direction}];
  state.sum = up_to(state, at);
  state.since = at;
  state.requests = std::max(0.0, state.requests + requests);
  state.bytes = std::max(0.0, state.bytes + bytes);
}

DeviceWork DeviceLoad::now(HostTsc at) const {
  DeviceWork work;
  for (const auto& [owner, state] : owners_) work.owners.emplace(owner, up_to(state, at));
  work.requests = requests_;
  work.bytes = bytes_;
  return work;
}

DeviceWork DeviceLoad::between(const DeviceWork& from, const DeviceWork& until) {
  DeviceWork added;
  for (const auto& [owner, sum] : until.owners) {
    const auto before = from.owners.find(owner);
    const LoadIntegral start = before == from.owners.end() ? LoadIntegral{} : before->second;
    const LoadIntegral load{sum.request_ticks - start.request_ticks, sum.byte_ticks - start.byte_ticks};
    if (load.request_ticks > 0 || load.byte_ticks > 0) added.owners.emplace(owner, load);
  }
  added.requests = until.requests - from.requests;
  added.bytes = until.bytes - from.bytes;
  return added;
}

}  // namespace ivtrace::model
