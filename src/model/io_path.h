// Guests' disk requests followed to the host's device and back.
//
// A tie is by address: the place of a host request belongs, by the image's extents, to certain sectors of a
// guest's disk; if a request of that guest for these sectors and in that direction is open at that moment,
// the one serves the other. It needs no knowledge of QEMU, holds for every way in which QEMU does its I/O,
// and for requests that were split or merged on the way: all that overlap are tied. The host's request must
// lie within the guest's in time; where several for the same bytes do, io_pieces.h tells which counts.
//
// Which of a guest's block devices is which of its disks nobody tells; it is learned: a device is the disk
// for which most ties were possible so far. A chance match of address, direction and time is rare, so the
// first few decide.
//
// A request for bytes without a known place is tied by QEMU's system call, where that leaves no choice
// (order_ties.h). Where QEMU's probes were recorded, they tell when QEMU had the request (qemu_requests.h):
// what the host did for these bytes before that, and calls outside of it, are for somebody else.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "merge/run_events.h"
#include "model/block_events.h"
#include "model/block_requests.h"
#include "model/device_load.h"
#include "model/disk_map.h"
#include "model/io_pieces.h"
#include "model/io_request.h"
#include "model/io_service.h"
#include "model/lost_ranges.h"
#include "model/order_ties.h"
#include "model/qemu_probe_events.h"
#include "model/qemu_requests.h"
#include "model/syscall_events.h"
#include "model/thread_owners.h"
#include "run/run_reader.h"

namespace ivtrace::model {

/// Makes IoRequests of a run's merged events. Memory depends on what is open. One thread. Borrows run,
/// events and losses.
class IoPath {
 public:
  using Sink = std::function<void(const IoRequest&)>;
  /// `serves`: the guest request that it serves, of several the first; nullptr when none is known.
  using HostSink = std::function<void(const HostRequest&, const IoRequest* serves)>;
  /// `sink` is called for each guest request when it completes. `lost` tells where host events are missing,
  /// as far as that is known already: a hole in the stream itself comes when it is over. `host_sink`, if any,
  /// is called for each host request that has completed: for those that may serve a guest's not before that
  /// one has completed too, and then behind `sink`.
  IoPath(const run::RunReader& run, const merge::RunEvents& events, const LostRanges& lost, Sink sink,
         HostSink host_sink = {});

  void look(const merge::MergedEvent& event);
  /// Tells of the host requests that still wait for a guest's.
  void finish();

  /// Are block requests of the host recorded, and of a guest?
  bool recorded() const;
  /// Are they of any machine?
  bool recorded_anywhere() const;
  /// A guest's requests whose completion was not seen, by now.
  std::uint64_t unfinished(std::size_t machine) const { return guests_[machine].requests.unfinished(); }
  const DiskMap& disks() const { return disks_; }

 private:
  /// What is known of an open guest request's service.
  struct Service {
    IoPieces pieces;
    std::optional<std::size_t> disk;
    bool lost = false;
    std::vector<HostRequest> untold;  ///< that the host sink has not been told of
  };
  using Services = std::unordered_map<std::uint64_t, Service>;  ///< by the request's number
  struct GuestState {
    BlockEvents events;
    BlockRequests requests;
    Services services;
    std::map<std::uint32_t, std::map<std::size_t, std::uint64_t>> votes;  ///< device → disk → ties
    std::map<std::uint32_t, HostTsc> interrupts;  ///< by CPU: it is in a handler since
    std::uint16_t irq_entry = 0;
    std::uint16_t irq_exit = 0;
    QemuRequests qemu;
  };
  /// A guest's request that a host request serves.
  struct Served {
    std::size_t machine = 0;
    std::uint64_t request = 0;

    friend bool operator==(const Served&, const Served&) = default;
  };
  /// A host request with the driver.
  struct HostOpen {
    IoOwner owner;
    std::uint64_t bytes = 0;
    std::shared_ptr<const DeviceWork> load;  ///< when it was issued, if it serves any
    std::vector<Served> serves;
  };
  using Serving = std::vector<const IoPiece*>;

  void look_at_guest(const merge::MergedEvent& event);
  void look_at_host(const merge::MergedEvent& event);
  void look_at_syscalls(const merge::MergedEvent& event);
  void look_at_qemu(const merge::MergedEvent& event);
  void lose(std::size_t machine);
  void host_issued(const BlockRequest& request);
  void host_completed(const BlockRequest& request);
  void host_requeued(const BlockRequest& request, HostTsc at);
  void guest_completed(std::size_t machine, const BlockRequest& request, CpuId cpu);
  void tie_by_qemu(std::size_t machine, const Service* service, IoRequest& result) const;
  void guest_requeued(GuestState& guest, const BlockRequest& request);
  void drop_services(GuestState& guest);
  void tell(const Service& service, const IoRequest* served, const Serving& serving) const;
  Service* first_served(const HostOpen& open);
  void serve(const DiskPart& part, const BlockRequest& host, HostOpen& open);
  static std::optional<std::uint32_t> choose_device(GuestState& guest,
                                                    const std::vector<BlockRequest*>& fitting,
                                                    std::size_t disk);
  static std::int64_t belief(const GuestState& guest, std::uint32_t device, std::size_t disk);
  void link(const Served& served, const BlockRequest& request, const DiskPart& part, const BlockRequest& host,
            HostOpen& open);
  IoOwner owner_of(const BlockRequest& request, const HostOpen& open) const;
  std::optional<std::size_t> disk_of(std::size_t machine, std::uint32_t device) const;
  bool is_cached(const GuestDisk& disk) const;
  IoTie tie_of(std::size_t machine, const BlockRequest& request, const Service* service,
               const Serving& serving) const;
  static void describe(const IoService& service, IoRequest& result);
  static void describe(const Serving& serving, IoRequest& result);

  const run::RunReader& run_;
  const LostRanges& lost_;
  Sink sink_;
  HostSink host_sink_;
  std::size_t host_ = 0;
  DiskMap disks_;
  ThreadOwners owners_;
  BlockEvents host_events_;
  BlockRequests host_requests_;
  std::vector<GuestState> guests_;                         ///< by machine; the host's is not used
  std::unordered_map<std::uint64_t, HostOpen> host_open_;  ///< by the request's number
  std::map<std::uint32_t, DeviceLoad> loads_;              ///< by host device
  SyscallEvents syscalls_;
  QemuProbeEvents probes_;
  OrderTies calls_;
  std::vector<DiskPart> parts_;  ///< of the host request at hand
};

}  // namespace ivtrace::model
