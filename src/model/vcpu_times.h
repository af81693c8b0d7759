// Where each vCPU's time went: its states summed up, and who had the CPU while it was ready to run.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "merge/stream.h"
#include "model/vcpu_states.h"
#include "model/walk.h"

namespace ivtrace::model {

/// Times in host ticks.
struct StateTime {
  std::uint64_t ticks = 0;
  std::uint64_t times = 0;  ///< how often the state was entered; for kPreempted once per thread ahead
  std::uint64_t longest = 0;
  HostTsc longest_at;
};

/// A thread that had the CPU while the vCPU was ready to run.
struct Preemptor {
  std::int32_t tid = -1;               ///< 0: the CPU was idle, about to switch; -1: not known
  std::string comm;                    ///< its last name; any bytes
  std::optional<std::size_t> machine;  ///< the guest whose QEMU it belongs to
  StateTime time;
};

struct VcpuTimes {
  VcpuLane lane;
  std::array<StateTime, kVcpuStates> states;  ///< by VcpuState
  std::uint64_t unknown = 0;                  ///< of the range: nothing told the state
  std::vector<Preemptor> preempted_by;        ///< longest first

  const StateTime& of(VcpuState state) const { return states[static_cast<std::size_t>(state)]; }
  /// Time of all states.
  std::uint64_t known() const;
};

struct AllVcpuTimes {
  std::vector<VcpuTimes> vcpus;
  Walk walk;
};

/// Of all guests' vCPUs within `range`; slices that reach beyond it, or into a stretch in which host events
/// were lost, are cut. No vCPUs when the run has neither the host's sched_switch nor KVM's entries and exits.
/// Reads the run once, and again where the host lost events.
Result<AllVcpuTimes> measure_vcpu_times(const run::RunReader& run, merge::TimeRange range = {});

}  // namespace ivtrace::model
