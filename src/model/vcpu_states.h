// What each vCPU does at each moment: runs its guest, has left it and why, waits for a CPU and behind whom,
// sleeps.
//
// A vCPU is a thread of QEMU's, so two kinds of host events tell its state. KVM's say whether the thread is
// in its guest; the scheduler's whether the thread runs at all:
//
//                   kvm_entry                     kvm_exit
//      exit ───────────────────────▶ guest ───────────────────▶ exit ──▶ userspace   (kvm_userspace_exit)
//
//      any of them but guest ──sched_switch, still runnable──▶ preempted ──switched in──▶ what it was
//      any of them but guest ──sched_switch, asleep──▶ halted or blocked ──woken──▶ preempted
//
// What the scheduler does is ThreadStates' to know. A guest is never switched out: the interrupt that leads
// to it is an exit first. A sleep is `halted` when the guest's CPU had nothing to do (the exit was a hlt;
// where no exits are seen, the guest's own scheduler had switched to its idle task) and `blocked` otherwise.
// While it is preempted a slice ends and a new one begins when another thread gets the CPU.
//
// Under TCG, and where KVM's events were not recorded, guest code and QEMU's own cannot be told apart: the
// thread is `running`. Under TCG one thread may run all vCPUs of a guest in turns; it is then one lane, and
// `vcpus` names them all.
//
// Behind a loss of host events nothing is claimed until the next event that tells. The loss is told at its
// end, so slices that reach into it are cut by whoever has looked for losses before (LostRanges).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "merge/run_events.h"
#include "model/exit_names.h"
#include "model/sched_events.h"
#include "model/thread_states.h"
#include "model/tid_map.h"
#include "model/vcpu_events.h"
#include "run/run_reader.h"

namespace ivtrace::model {

enum class VcpuState : std::uint8_t {
  kGuest,      ///< guest code runs
  kExit,       ///< KVM handles an exit
  kUserspace,  ///< QEMU handles it
  kRunning,    ///< the thread has a CPU, and no exits are seen
  kPreempted,  ///< ready to run, and another thread has the CPU
  kHalted,     ///< asleep: the guest's CPU has nothing to do
  kBlocked,    ///< asleep for another reason
};
inline constexpr std::size_t kVcpuStates = 7;
const char* to_string(VcpuState state);

/// A host thread that runs one vCPU, or under TCG perhaps several.
struct VcpuLane {
  std::vector<Vcpu> vcpus;  ///< never empty
  bool exits = false;       ///< entries and exits are recorded
};
/// One for each thread, by machine and index.
std::vector<VcpuLane> vcpu_lanes(const run::RunReader& run, bool exits_recorded);

/// A stretch of one state. Slices of a lane follow each other without overlap; what no slice covers is not
/// known.
struct VcpuSlice {
  std::size_t lane = 0;
  VcpuState state = VcpuState::kGuest;
  HostTsc from;
  HostTsc until;
  std::uint32_t reason = 0;  ///< of the last exit: the hardware's number
  Task by;                   ///< of kPreempted: who has the CPU; tid 0 when it is idle, -1 when not known
  bool open = false;         ///< the run ended before the state did
};

/// Makes slices of a run's merged events. One thread. Borrows run and events.
class VcpuStates {
 public:
  /// `sink` is called for each finished slice: those of one lane in their order.
  VcpuStates(const run::RunReader& run, const merge::RunEvents& events,
             std::function<void(const VcpuSlice&)> sink);

  void look(const merge::MergedEvent& event);
  /// The same, of an event that whoever shares it has read already.
  void look(const merge::MergedEvent& event, const SchedEvents::Seen& seen);
  /// Ends what is open, at the last event's time or later.
  void finish() { finish(now_); }
  void finish(HostTsc at);

  const std::vector<VcpuLane>& lanes() const { return lanes_; }
  const ExitNames& exit_names() const { return names_; }
  /// Does the run have anything that tells a vCPU's state?
  bool recorded() const { return !lanes_.empty() && (sched_.has_switches() || vcpu_events_.recorded()); }

 private:
  /// What is known of a lane now.
  struct Follower {
    std::optional<VcpuState> state;  ///< empty: not known
    HostTsc since;
    std::uint32_t reason = 0;           ///< of the last exit
    std::optional<VcpuState> awake_in;  ///< what the thread goes on with when it gets a CPU again
    Task by;                            ///< of kPreempted
  };

  void lose(const merge::LossMarker& loss);
  void look_at_guest(std::size_t machine, const SchedEvents::Seen& seen);
  void look_at_kvm(const merge::MergedEvent& event);
  void scheduled(std::size_t lane, const ThreadStretch& before, const ThreadStretch& now);
  void has_cpu(std::size_t lane);
  void become(std::size_t lane, std::optional<VcpuState> state);
  void close(std::size_t lane, HostTsc until, bool open);
  bool sleeps_idle(std::size_t lane) const;
  std::optional<std::size_t> lane_of(std::int32_t thread) const;

  std::function<void(const VcpuSlice&)> sink_;
  VcpuEvents vcpu_events_;
  std::vector<VcpuLane> lanes_;
  std::vector<Follower> followers_;  ///< one for each lane
  ExitNames names_;
  SchedEvents sched_;                     ///< the host's
  ThreadStates threads_;                  ///< of the lanes
  std::vector<SchedEvents> guest_sched_;  ///< by machine
  const decode::EventFormat* userspace_exit_ = nullptr;
  TidMap<std::optional<std::uint32_t>> by_thread_;  ///< the lane
  std::vector<std::vector<bool>> idle_;  ///< by machine and guest CPU: its scheduler runs the idle task
  HostTsc now_;
};

}  // namespace ivtrace::model
