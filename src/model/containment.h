// Containment: do a vCPU's guest events lie between its kvm_entry and its kvm_exit?
//
// A guest runs only between the two, so on a right clock every event does, with no tolerance at all. It is
// the proof that a guest's clock is right, from data that has nothing to do with how the clock was found.
// What it cannot judge is counted apart: events in stretches in which the host lost some of its own, and
// those before a vCPU's first entry or exit.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "model/vcpu_events.h"

namespace ivtrace::model {

/// One vCPU's guest events.
struct Containment {
  Vcpu vcpu;
  std::uint64_t inside = 0;          ///< between an entry and the exit behind it
  std::uint64_t outside = 0;         ///< violations
  std::uint64_t in_lost_ranges = 0;  ///< while the host lost events: not judged
  std::uint64_t unknown = 0;      ///< before the first entry or exit, or where the guest's clock is in doubt
  std::uint64_t worst_ticks = 0;  ///< the violation farthest from the nearest entry or exit
  std::optional<HostTsc> worst_at;
};

/// Judges every vCPU of every KVM guest whose clock is aligned; empty when the host's run has no kvm_entry
/// and kvm_exit. Reads all events once, and again where the host lost some. `give_up`, asked now and then,
/// ends it with kTimeout.
Result<std::vector<Containment>> measure_containment(const run::RunReader& run,
                                                     const std::function<bool()>& give_up = {});

}  // namespace ivtrace::model
