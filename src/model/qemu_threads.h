// What each of QEMU's host threads that runs no vCPU does: its main loop, I/O threads and workers, and the
// vhost workers that the kernel runs in its name.
//
// They come and go while a guest runs. One is followed from the first scheduler event that names it, once its
// owner is known, until it ends.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_set>
#include <vector>

#include "merge/run_events.h"
#include "model/sched_events.h"
#include "model/thread_owners.h"
#include "model/thread_states.h"
#include "run/run_reader.h"

namespace ivtrace::model {

/// A stretch of one state. Slices of a thread follow each other without overlap; what no slice covers is not
/// known.
struct QemuSlice {
  std::size_t machine = 0;  ///< the guest, index in RunReader::machines()
  Task thread;              ///< by its last name until then
  ThreadState state = ThreadState::kRunning;
  HostTsc from;
  HostTsc until;
  Task by;            ///< of kPreempted: who has the CPU; tid 0 when it is idle, -1 when not known
  bool open = false;  ///< the run ended before the state did
};

/// Makes slices of a run's merged events. Memory depends on the threads that live. One thread. Borrows run,
/// events and owners.
class QemuThreads {
 public:
  /// `owners` must have seen each event before look() does. `sink` is called for each finished slice: those
  /// of one thread in their order.
  QemuThreads(const run::RunReader& run, const merge::RunEvents& events, const ThreadOwners& owners,
              std::function<void(const QemuSlice&)> sink);

  void look(const merge::MergedEvent& event);
  /// The same, of an event of the host's that whoever shares it has read already.
  void look(const merge::MergedEvent& event, const SchedEvents::Seen& seen);
  /// Ends what is open, at the last event's time or later.
  void finish() { finish(now_); }
  void finish(HostTsc at) { states_.finish(at); }
  /// Does the run have a guest, and the host's switches?
  bool recorded() const { return run_.machines().size() > 1 && sched_.has_switches(); }

 private:
  struct Thread {
    std::size_t machine = 0;
    Task task;
  };
  void lose(HostTsc from);
  void meet(const Task& task);
  void changed(std::size_t index, const ThreadStretch& before, const ThreadStretch& now);

  const run::RunReader& run_;
  const ThreadOwners& owners_;
  std::function<void(const QemuSlice&)> sink_;
  std::size_t host_;
  SchedEvents sched_;
  ThreadStates states_;
  std::unordered_set<std::int32_t> vcpus_;  ///< their threads
  std::vector<Thread> threads_;             ///< as ThreadStates counts them
  std::vector<std::size_t> free_;           ///< places of threads that have ended
  HostTsc now_;
};

}  // namespace ivtrace::model
