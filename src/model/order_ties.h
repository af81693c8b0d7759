// Which system call of its QEMU served a guest's request, where no address tells.
//
// QEMU's call begins after the guest has issued the request and, when it is a read or write, ends before the
// guest sees it completed; it moves the request's bytes in its direction. If one open request of the guest
// fits a call, and one call fits the request, the two belong together, and so do the host requests that the
// thread queued within the call. Whenever more than one fits, nothing is said: a request that is not tied
// costs less than one that is tied wrongly.
//
//   pread64, preadv, pwrite64, pwritev …   the call says how many bytes it moved, and where in the file: on
//                                          a raw image that is where on the disk, so then it must be the
//                                          request's own place. QEMU may have joined requests that follow
//                                          each other: all of them fit, if they make up the call's bytes.
//   io_submit, io_uring_enter              says neither: it counts only when it handed over one read or
//                                          write, and the host requests queued within it say what that was.
//
// Where QEMU's probes tell which requests QEMU has (qemu_requests.h), only those are candidates, and those
// that entered as one fit a call as one.
//
// What a call did on a place that belongs to some image's extents is none of this: its tie is by address.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/units.h"
#include "model/block_requests.h"
#include "model/io_service.h"
#include "model/qemu_requests.h"
#include "model/syscall_events.h"

namespace ivtrace::model {

/// A call of a guest's QEMU, and the host requests queued within it.
struct ServingCall {
  HostTsc from;
  std::optional<HostTsc> until;
  IoService service;
};

/// Follows the calls of all guests' QEMUs. Memory is bounded by the threads in a call and kMaxCalls for each
/// guest. One thread.
class OrderTies {
 public:
  /// `raw`: by machine, whether all disks of that guest are raw images.
  explicit OrderTies(std::vector<bool> raw) : raw_(std::move(raw)), guests_(raw_.size()) {}

  /// A call of any thread began. `machine`: the guest whose QEMU's thread it is, and `open` its requests with
  /// the driver; nullptr for a thread of nobody's. `qemu`: tells which of these QEMU has; nullptr: not known.
  void enter(const SyscallEvents::Seen& call, HostTsc at, std::size_t machine,
             const BlockRequests::Open* open, const QemuRequests* qemu);
  void exit(const SyscallEvents::Seen& call, HostTsc at);
  /// Since when a thread is in a system call.
  std::optional<HostTsc> since(std::int32_t thread) const;

  /// A host request that a thread of a guest's QEMU queued; `placed`: it is for some guest's image.
  void host_issued(std::size_t machine, const BlockRequest& host, bool placed, const DeviceLoad& load);
  /// `loads`: of the host's devices.
  void host_completed(const BlockRequest& host, const std::map<std::uint32_t, DeviceLoad>& loads);
  void host_requeued(const BlockRequest& host);

  /// The call that served a request that is completed now, or nullptr; valid until the next change here.
  /// `done`: when QEMU, or else the guest, had done with it.
  const ServingCall* find(std::size_t machine, const BlockRequest& request, HostTsc done) const;
  /// The request is over: calls that can only have served such ones are forgotten.
  void completed(std::size_t machine, const BlockRequest& request);

  /// Host events were lost: all; a guest's: what is known of its calls.
  void forget();
  void forget(std::size_t machine);

  static constexpr std::size_t kMaxThreads = 65536;
  static constexpr std::size_t kMaxCalls = 256;
  static constexpr std::size_t kMaxCandidates = 256;  ///< a call for which more are open says nothing

 private:
  /// A guest request that was open when the call began.
  struct Candidate {
    std::uint64_t request = 0;
    SectorRange range;
    IoDirection direction = IoDirection::kOther;
    std::uint64_t bytes = 0;  ///< of all that entered QEMU with it
    std::optional<HostTsc> entered;
    bool open = true;
  };
  struct Call : ServingCall {
    std::int32_t thread = 0;
    SyscallEvents::Kind kind = SyscallEvents::Kind::kOther;
    IoDirection direction = IoDirection::kOther;
    std::uint64_t offset = 0;  ///< of a read or write: in the file
    std::uint64_t moved = 0;   ///< and how many bytes, once it ended
    bool several = false;      ///< it handed over more than one read or write: which, nobody knows
    bool placed = false;       ///< on an image whose extents are known
    std::vector<Candidate> candidates;
  };
  struct Guest {
    std::map<std::uint64_t, Call> calls;  ///< that have an open candidate, by number
    HostTsc gone_until;                   ///< calls that began up to then are not all here
  };
  struct CallId {
    std::size_t machine = 0;
    std::uint64_t number = 0;  ///< 0: none
  };
  struct Thread {
    HostTsc since;
    CallId call;
  };

  Call* call_of(const CallId& id);
  static void join(std::vector<Candidate>& candidates);
  static bool are_one(const std::vector<const Candidate*>& candidates);
  CallId call_within(std::size_t machine, std::int32_t thread, HostTsc at) const;
  bool fits(std::size_t machine, const Call& call, const Candidate& candidate) const;
  bool fits_no_other(std::size_t machine, const Call& call) const;

  std::vector<bool> raw_;
  std::vector<Guest> guests_;  ///< by machine
  std::unordered_map<std::int32_t, Thread> threads_;
  std::unordered_map<std::uint64_t, CallId> host_;  ///< by the number of a host request that is open
  std::uint64_t count_ = 0;
};

}  // namespace ivtrace::model
