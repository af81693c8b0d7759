// A guest's disk request and what became of it on the host.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/units.h"
#include "model/block_requests.h"
#include "model/device_load.h"
#include "model/qemu_requests.h"

namespace ivtrace::model {

/// The stretches of a request's life, each named by its two boundary events. Where the event between two
/// neighbours was not recorded they are one, with a name of its own. QEMU's own boundaries are those of its
/// probe pack; without it the phases around them are one.
enum class IoPhaseKind : std::uint8_t {
  kGuestQueue,   ///< guest block_bio_queue → guest block_rq_issue
  kToQemu,       ///< guest block_rq_issue → QEMU's system call
  kVirtqueue,    ///< guest block_rq_issue → QEMU's block layer
  kQemuBlock,    ///< QEMU's block layer → QEMU's system call
  kQemuToHost,   ///< QEMU's system call → host block_bio_queue
  kToHost,       ///< guest block_rq_issue, or QEMU's block layer → host block_bio_queue: the system call is
                 ///< not known
  kHostQueue,    ///< host block_bio_queue → host block_rq_issue
  kDevice,       ///< host block_rq_issue → host block_rq_complete
  kQemuCall,     ///< QEMU's system call, as a whole: no host request was queued within it
  kQemuRequest,  ///< QEMU's block layer → virtqueue_push: what served it in between is not known
  kQemuCompletion,  ///< host block_rq_complete, or the call's end → virtqueue_push
  kQemuNotify,      ///< virtqueue_push → QEMU's notification
  kInterrupt,       ///< QEMU's notification → the guest's interrupt
  kToGuest,  ///< host block_rq_complete, or the call's end, or virtqueue_push → the guest's interrupt:
             ///< the notification is not known
  kGuestCompletion,  ///< the guest's interrupt → guest block_rq_complete
  kReturn,        ///< the last that is known of the host's side → guest block_rq_complete: the interrupt is
                  ///< not known
  kUnattributed,  ///< guest block_rq_issue, or QEMU's block layer → guest block_rq_complete: nothing is tied
                  ///< to it
};
inline constexpr std::size_t kIoPhases = 17;
const char* to_string(IoPhaseKind kind);

/// How a guest's request is tied to the host's.
enum class IoTie : std::uint8_t {
  kAddress,  ///< by the place of its bytes on the host's device, direction and nesting in time
  kOrder,    ///< by the one system call of QEMU that can have served it
  kQemu,  ///< by QEMU's probes, which tell its request; and by the one call that can have served that, if any
  kNoHostIo,  ///< none was needed, as far as can be told: the image is in the host's page cache
  kLost,      ///< host events were lost while it was open
  kUntied,    ///< nothing was found
};
inline constexpr std::size_t kIoTies = 6;
const char* to_string(IoTie tie);

struct IoPhase {
  IoPhaseKind kind = IoPhaseKind::kUnattributed;
  HostTsc from;
  HostTsc until;
};

/// Times are the host's, also of what happened in the guest.
struct IoRequest {
  std::size_t machine = 0;           ///< the guest, index in RunReader::machines()
  std::optional<std::size_t> disk;   ///< index in Machine::disks, once a tie told it
  BlockRequest guest;                ///< completed
  std::optional<HostTsc> interrupt;  ///< of the guest, in whose handler it was completed
  IoTie tie = IoTie::kUntied;
  std::optional<QemuTimes> qemu;  ///< by QEMU's probes; not with kLost

  // With kAddress, kOrder and kQemu only. Of several host requests: the first queued and issued, the last
  // completed.
  std::uint32_t host_requests = 0;  ///< but with kAddress there may be none: then what follows tells nothing
  std::uint64_t host_bytes = 0;
  std::uint32_t host_device = 0;
  std::int32_t host_thread = 0;      ///< that queued it on the host
  std::optional<HostTsc> submitted;  ///< QEMU's system call
  std::optional<HostTsc> returned;   ///< kOrder and kQemu: when that ended
  HostTsc host_queued;
  HostTsc host_issued;
  HostTsc host_completed;
  DeviceWork
      load;  ///< of host_device from host_issued to when it had done its part, by owner, this guest too

  HostTsc begin() const { return guest.queued.value_or(guest.issued); }
  HostTsc end() const { return guest.completed.value_or(guest.issued); }
  /// Without gaps from begin() to end(); empty phases are left out.
  std::vector<IoPhase> phases() const;
};

/// A request of the host's that completed, and for whom it was.
struct HostRequest {
  BlockRequest request;
  IoOwner owner;
};

}  // namespace ivtrace::model
