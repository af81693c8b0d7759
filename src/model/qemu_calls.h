// The I/O system calls of QEMU's threads, from their begin to their end.
//
// They are told by syscalls:sys_enter_NAME and sys_exit_NAME, or by raw_syscalls:sys_enter and sys_exit,
// which have the call's number instead (x86-64's, as asm/unistd.h has them: 32-bit programs' calls are not
// traced). Of both, those that read and write files are taken, submit such work or wait for it. A call whose
// begin or end was not seen has no row.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "base/units.h"
#include "decode/field.h"
#include "merge/run_events.h"
#include "model/thread_owners.h"
#include "run/run_reader.h"

namespace ivtrace::model {

struct QemuCall {
  std::size_t machine = 0;  ///< the guest, index in RunReader::machines()
  Tid thread;               ///< of the host; vCPU threads are QEMU's too
  std::uint32_t call = 0;   ///< for call_name()
  HostTsc from;
  HostTsc until;
  std::int64_t result = 0;  ///< below 0: an errno
};

/// "pread64".
const char* call_name(std::uint32_t call);
/// Calls are numbered from 0 to below this.
std::uint32_t call_count();

/// Makes calls of a run's merged events. Memory depends on the threads that are in one. One thread. Borrows
/// run, events and owners.
class QemuCalls {
 public:
  /// `owners` must have seen each event before look() does. `sink` is called for each call when it ends.
  QemuCalls(const run::RunReader& run, const merge::RunEvents& events, const ThreadOwners& owners,
            std::function<void(const QemuCall&)> sink);

  void look(const merge::MergedEvent& event);
  /// Are any of these calls in the run's formats?
  bool recorded() const { return recorded_; }

 private:
  enum class Step : std::uint8_t { kOther, kEnter, kExit };
  /// What an event's id says.
  struct Kind {
    Step step = Step::kOther;
    std::uint32_t call = 0;
    const decode::Field* number = nullptr;  ///< tells the call, instead of `call`
    const decode::Field* result = nullptr;
  };
  struct Open {
    std::size_t machine = 0;
    std::uint32_t call = 0;
    HostTsc from;
  };
  void enter(const merge::MergedEvent& event, std::uint32_t call);
  void leave(const merge::MergedEvent& event, std::uint32_t call, const decode::Field& result);

  const ThreadOwners& owners_;
  std::function<void(const QemuCall&)> sink_;
  std::size_t host_;
  std::vector<Kind> kinds_;  ///< by event id
  bool recorded_ = false;
  std::unordered_map<std::int32_t, Open> open_;  ///< by thread
};

}  // namespace ivtrace::model
