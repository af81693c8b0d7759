// The host requests that serve a guest's request: how many, and when the first and the last of them were.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/units.h"
#include "model/block_requests.h"
#include "model/device_load.h"

namespace ivtrace::model {

/// Sums up as the host's requests come and go. One thread.
struct IoService {
  std::uint32_t requests = 0;
  std::uint32_t completed = 0;
  std::uint64_t bytes = 0;
  std::uint32_t device = 0;  ///< of the first one, as is the load
  std::int32_t thread = 0;   ///< that queued the first one
  HostTsc queued;
  HostTsc issued;
  HostTsc last_completed;
  DeviceWork load_before;
  DeviceWork load_after;

  bool done() const { return requests > 0 && completed == requests; }

  /// A host request was issued to the device that has this load.
  void begin(const BlockRequest& host, const DeviceLoad& load) {
    const HostTsc at = host.queued.value_or(host.issued);
    if (requests == 0) {
      queued = at;
      issued = host.issued;
      device = host.range.device;
      thread = host.task.tid;
      load_before = load.now(host.issued);
    }
    queued = std::min(queued, at);
    ++requests;
  }
  /// One was completed; `load` is that of `device`.
  void end(HostTsc at, const DeviceLoad& load) {
    ++completed;
    last_completed = at;
    if (completed == requests) load_after = load.now(at);
  }
};

}  // namespace ivtrace::model
