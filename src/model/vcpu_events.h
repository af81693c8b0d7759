// KVM's own events in a run's merged stream: which vCPU enters its guest and leaves it.
//
// A KVM event belongs to the vCPU whose thread raised it (common_pid): KVM's vcpu_id is the APIC ID, which is
// neither QEMU's CPU index nor the guest's CPU number. Which guest CPU a vCPU is, is told by its APIC ID:
// QEMU knows the vCPU's, the agent that of each guest CPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/units.h"
#include "decode/integer_reader.h"
#include "merge/run_events.h"
#include "model/tid_map.h"
#include "run/run_reader.h"

namespace ivtrace::model {

/// A vCPU as the host and the guest know it.
struct Vcpu {
  std::size_t machine = 0;   ///< index in RunReader::machines()
  std::int32_t index = -1;   ///< QEMU's cpu-index
  Tid thread;                ///< that runs it on the host
  std::optional<CpuId> cpu;  ///< the guest's own number; empty when nobody told
};

/// The host's index in RunReader::machines(); 0 when the run has none.
std::size_t host_machine(const run::RunReader& run);
/// The vCPUs of all guests, by machine and index.
std::vector<Vcpu> run_vcpus(const run::RunReader& run);
/// Those of guests that run under KVM.
std::vector<Vcpu> kvm_vcpus(const run::RunReader& run);

/// Recognises kvm_entry and kvm_exit of known vCPUs, and the vCPU of a guest's event. Constant after
/// construction; borrows the events' formats. Any thread.
class VcpuEvents {
 public:
  VcpuEvents(const run::RunReader& run, const merge::RunEvents& events);

  enum class Step { kOther, kEntry, kExit };
  struct Seen {
    Step step = Step::kOther;
    std::size_t vcpu = 0;      ///< index in vcpus(), of an entry or exit
    std::uint32_t reason = 0;  ///< of an exit: the hardware's number
  };
  Seen look(const merge::MergedEvent& event) const;
  /// The vCPU on which an event of a guest happened; empty for the host's and for CPUs that no vCPU is known
  /// for.
  std::optional<std::size_t> vcpu_of(const merge::MergedEvent& event) const;

  const std::vector<Vcpu>& vcpus() const { return vcpus_; }
  /// Whether the run has what entries and exits are told by.
  bool recorded() const { return entry_ != nullptr && exit_ != nullptr && !vcpus_.empty(); }
  /// kvm_exit's format, which knows the reasons' names; nullptr when it was not recorded.
  const decode::EventFormat* exit_format() const { return exit_; }
  /// The host's index in RunReader::machines().
  std::size_t host() const { return host_; }

 private:
  std::vector<Vcpu> vcpus_;
  std::size_t host_ = 0;
  const decode::EventFormat* entry_ = nullptr;
  const decode::EventFormat* exit_ = nullptr;
  decode::IntegerReader reason_;
  TidMap<std::optional<std::uint32_t>> by_thread_;                       ///< the vCPU
  std::map<std::pair<std::size_t, std::uint32_t>, std::size_t> by_cpu_;  ///< (machine, guest CPU)
};

}  // namespace ivtrace::model
