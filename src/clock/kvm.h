// What KVM itself tells of its guests' TSCs: the exact source.
//
// /sys/kernel/debug/kvm/<pid>-<fd>/vcpu<N>/ holds tsc-offset, and where the CPU scales, tsc-scaling-ratio and
// tsc-scaling-ratio-frac-bits (arch/x86/kvm/debugfs.c). N is KVM's vcpu_id, which is the APIC ID: neither
// QEMU's cpu-index nor the guest's CPU number. While the vCPU runs a nested guest, tsc-offset shows the sum
// of both offsets; guest_mode, read before and after, tells.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/units.h"
#include "clock/types.h"
#include "format/mailbox_message.h"

namespace ivtrace::clock {

/// One vCPU's relation as KVM's debugfs files show it.
struct KvmVcpuClock {
  std::uint32_t apic_id = 0;
  TscRelation relation;
};

/// All vCPUs of one QEMU process, read between `before` and `after`.
struct KvmReading {
  HostTsc before;
  HostTsc after;
  std::vector<KvmVcpuClock> vcpus;
  std::vector<std::uint32_t> nested;    ///< APIC IDs left out because they ran a nested guest at that moment
  std::vector<std::string> unreadable;  ///< one line for each vCPU whose files make no sense, for people
};

/// A relation that is known, not estimated, and the guest CPU that it is for (none: all of them).
struct ExactRelation {
  TscRelation relation;
  ClockSource source = ClockSource::kNone;
  std::optional<std::uint32_t> cpu;
  HostTsc not_before;  ///< the change to it, if it is one, happened between these two host times
  HostTsc not_after;   ///<   (equal: at that very time)

  friend bool operator==(const ExactRelation&, const ExactRelation&) = default;
};

/// KVM's debugfs directory. Owns a descriptor of it. Any thread; a reading is a handful of small files.
class KvmDebugfs {
 public:
  /// /sys/kernel/debug/kvm, or, where debugfs is not mounted, a private mount that nobody else sees and that
  /// ends with this object. kNotFound without KVM, kPermission under lockdown.
  static Result<KvmDebugfs> open();
  /// The same of any directory of that shape.
  static Result<KvmDebugfs> open_directory(const std::string& path);

  /// kNotFound when the process has no virtual machine in KVM (then it does not use KVM).
  Result<KvmReading> read(Pid qemu) const;

 private:
  KvmDebugfs(UniqueFd directory) : directory_(std::move(directory)) {}
  UniqueFd directory_;
};

/// A reading as relations for the guest's own CPU numbers: one for all when every vCPU has the same, else one
/// per CPU whose APIC ID the agent has told. Empty when nothing can be said. `since` is the time of the last
/// reading that told something else (or of none): a change lies between it and the reading's end.
std::vector<ExactRelation> relations_of(const KvmReading& reading, std::span<const format::AgentCpu> cpus,
                                        HostTsc since);

}  // namespace ivtrace::clock
