// Where a vCPU's time goes between its guest and its host: every kvm_exit with its reason, and how long it
// took until the next kvm_entry of the same thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "model/histogram.h"
#include "model/vcpu_events.h"
#include "model/walk.h"

namespace ivtrace::model {

/// All exits of one vCPU for one reason. Times in host ticks, from kvm_exit to kvm_entry.
struct ExitReason {
  std::string name;  ///< by the recorded kernel's own table: "hlt", "npf", "EPT_VIOLATION"
  std::uint64_t total = 0;
  Histogram times;               ///< of the finished ones
  std::uint64_t unfinished = 0;  ///< no entry followed: the recording ended, or events were lost
  HostTsc longest_at;            ///< when the longest one began
  std::map<std::int32_t, std::uint64_t> tasks;  ///< guest thread that was running → its exits
};

struct VcpuExits {
  Vcpu vcpu;
  std::uint64_t in_guest = 0;                   ///< ticks between entries and exits
  std::uint64_t on_host = 0;                    ///< ticks between exits and entries
  std::map<std::uint32_t, ExitReason> reasons;  ///< by the hardware's number
};

struct Exits {
  std::vector<VcpuExits> vcpus;
  Walk walk;
};

/// Of every KVM guest's vCPUs. No vCPUs when the run has no kvm_entry and kvm_exit. Which guest task was hit
/// is known where the guest's own events are in the run.
Result<Exits> measure_exits(const run::RunReader& run);

}  // namespace ivtrace::model
