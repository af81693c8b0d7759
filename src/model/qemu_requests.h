// Which of QEMU's requests is which of its guest's, as the probe pack for QEMU tells, and when QEMU had it.
//
//   guest block_rq_issue ─▶ blk_aio_preadv … ─▶ virtqueue_push ─▶ virtio_notify… ─▶ guest block_rq_complete
//         issued               entered             pushed            notified
//
// A request enters QEMU's block layer with its place on the guest's disk and its bytes: the guest's open
// requests that make up exactly these are it. They are several where virtio-blk has joined neighbours: they
// enter as one, under the first one's address, and are pushed one after the other by one thread, in the order
// of their places. An address is a request until it is pushed; then it may be the next one's. What the device
// writes into the guest's memory is known (a read's bytes and a status byte, else the status byte), so a push
// of another device's is not taken for it. A notification is for all that was pushed into its queue before.
//
// Whatever leaves a choice is not told. Which disk of QEMU's is which device of the guest's is learned of
// requests that only one device has.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/units.h"
#include "model/block_requests.h"
#include "model/qemu_probe_events.h"

namespace ivtrace::model {

/// When QEMU had a guest's request.
struct QemuTimes {
  HostTsc entered;                  ///< its block layer
  std::optional<HostTsc> pushed;    ///< back into the virtqueue
  std::optional<HostTsc> notified;  ///< the guest, for the first time since
};

/// Follows one guest's requests through its QEMU. Memory is bounded by what is open, and by kMaxOpen. One
/// thread.
class QemuRequests {
 public:
  /// An event of this guest's QEMU; `open`: the guest's requests with the driver. Returns those that entered,
  /// by number; valid until the next look().
  const std::vector<std::uint64_t>& look(const QemuProbeEvents::Seen& seen, HostTsc at,
                                         const BlockRequests::Open& open);
  /// Of a request that is not over; nullptr: it was not seen to enter.
  const QemuTimes* find(std::uint64_t request) const;
  /// It has entered and was not pushed yet.
  bool has(std::uint64_t request) const;
  /// Is each request that QEMU has one that is known here? Then has() is right when it says no, too.
  bool has_all() const { return began_ && unknown_ == 0; }
  /// The request is over.
  void end(std::uint64_t request) { times_.erase(request); }
  /// Events were lost.
  void forget();

  static constexpr std::size_t kMaxOpen = BlockRequests::kMaxOpen;
  static constexpr std::size_t kMaxBackends = 64;
  static constexpr std::size_t kMaxDevices = 256;  ///< that a backend may seem to be: the guest's word

 private:
  struct Member {
    std::uint64_t request = 0;
    std::uint64_t bytes = 0;
  };
  using Members = std::vector<Member>;
  /// A request of QEMU's in its block layer.
  struct Entry {
    IoDirection direction = IoDirection::kOther;
    std::uint64_t offset = 0;
    Members members;  ///< the guest's that it is, by place; none: not known
  };
  /// What was joined to a request that was pushed, and is to follow.
  struct Chain {
    std::uint64_t queue = 0;
    Entry rest;
  };

  void enter(const QemuProbeEvents::Seen& seen, HostTsc at, const BlockRequests::Open& open);
  void push(const QemuProbeEvents::Seen& seen, HostTsc at);
  void follow(const QemuProbeEvents::Seen& seen, HostTsc at);
  void notify(const QemuProbeEvents::Seen& seen, HostTsc at);

  bool is_retry(const QemuProbeEvents::Seen& seen) const;
  Members members_of(const QemuProbeEvents::Seen& seen, const BlockRequests::Open& open);
  std::int64_t belief(std::uint64_t backend, std::uint32_t device) const;
  void learn(std::uint64_t backend, std::uint32_t device);
  void put(std::uint64_t address, Entry entry);
  std::optional<Entry> take(std::uint64_t address);
  bool push_first(Entry& entry, const QemuProbeEvents::Seen& seen, HostTsc at);

  std::unordered_map<std::uint64_t, Entry> entries_;               ///< by address
  std::unordered_map<std::uint64_t, QemuTimes> times_;             ///< by the guest's request's number
  std::unordered_map<std::int32_t, Chain> chains_;                 ///< by thread
  std::map<std::uint64_t, std::vector<std::uint64_t>> to_notify_;  ///< by queue
  std::map<std::uint64_t, std::map<std::uint32_t, std::uint64_t>> votes_;  ///< backend → device → requests
  std::vector<std::uint64_t> entered_;
  std::size_t unknown_ = 0;  ///< entries without members
  bool began_ = false;
};

}  // namespace ivtrace::model
