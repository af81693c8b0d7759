// What the host's scheduler does with certain threads: each has a CPU, waits for one and behind whom, sleeps.
//
//      running ──switched out, still runnable──▶ preempted ──switched in──▶ running
//      running ──switched out, asleep──▶ blocked ──woken──▶ preempted
//      a new thread ──woken for the first time──▶ preempted
//
// A thread that is ready to run and does not is preempted, whether it was put off the CPU or has just been
// woken, and whoever has the CPU meanwhile is named: a new stretch begins when that changes. Nothing is
// claimed before the first event that tells, nor behind a loss of host events until the next one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/units.h"
#include "model/sched_events.h"
#include "model/tid_map.h"

namespace ivtrace::model {

enum class ThreadState : std::uint8_t {
  kUnknown,
  kRunning,    ///< has a CPU
  kPreempted,  ///< ready to run, and another thread has the CPU
  kBlocked,    ///< asleep
  kEnded,      ///< is no longer followed
};
const char* to_string(ThreadState state);

/// From when on a thread is in a state.
struct ThreadStretch {
  ThreadState state = ThreadState::kUnknown;
  HostTsc since;
  CpuId cpu;          ///< of kPreempted: for which it waits
  Task by;            ///< of kPreempted: who has the CPU; tid 0 when it is idle, -1 when not known
  bool lost = false;  ///< of kUnknown: since host events were lost; the run has ended otherwise
};

/// Follows threads by the host's scheduler events. Memory depends on the threads that are followed and the
/// host's CPUs. One thread.
class ThreadStates {
 public:
  /// A followed thread's state has changed: `before` lasted until `now.since`.
  using Sink = std::function<void(std::size_t index, const ThreadStretch& before, const ThreadStretch& now)>;
  /// `sink` must not change what is followed.
  explicit ThreadStates(Sink sink) : sink_(std::move(sink)) {}

  /// From now on; `index` is what the sink will be told. Numbers that no thread can have are left out.
  void follow(std::int32_t tid, std::size_t index);
  /// What the sink is told of it; empty when it is not followed.
  std::optional<std::size_t> index_of(std::int32_t tid) const;

  /// An event of the host's.
  void look(const SchedEvents::Seen& seen, HostTsc at);
  /// Something else told that the thread has a CPU.
  void runs(std::int32_t tid, HostTsc at);
  /// Host events were lost since `from`. Which CPU's hardly matters: a thread may have been on any.
  void lose(HostTsc from);
  /// Follows nothing any more, and tells nobody.
  void clear();
  /// Ends what is open.
  void finish(HostTsc at);

 private:
  struct Thread {
    std::size_t index = 0;
    ThreadStretch now;
  };
  struct Cpu {
    Task running;
    std::vector<Thread*> waiting;
  };
  Thread* find(std::int32_t tid);
  Cpu* cpu(CpuId id);
  void switch_cpu(const SchedEvents::Seen& seen, HostTsc at);
  void ready(Thread& thread, const SchedEvents::Seen& seen, HostTsc at);
  void wait(Thread& thread, CpuId id, HostTsc at);
  void become(Thread& thread, ThreadStretch now);
  void forget(HostTsc from, bool lost);

  Sink sink_;
  TidMap<std::unique_ptr<Thread>> threads_;
  std::vector<Cpu> cpus_;  ///< by number
};

}  // namespace ivtrace::model
