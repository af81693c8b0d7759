// Bios of one machine that no request has taken yet, and what they are called on the devices above.
//
// A file system or QEMU hands a bio to the device that it knows: a partition, an LVM volume, a RAID. Each of
// these passes it on, whole or in parts, to the device below under another address, and the kernel tells
// each step; the lowest device makes a request of it:
//
//   block_bio_queue   dm-1        sector 800   ← QEMU's bio; the clones below say block_bio_queue again
//   block_bio_remap   dm-1 → dm-0 sector 800 → 2848
//   block_bio_remap   dm-0 → vda  sector 2848 → 2848     the partition vda2 is meant: only the next step says
//   it block_bio_remap   vda2 → vda  sector 2848 → 1050 000 block_rq_issue    vda         sector 1050 000
//
// So a bio is taken along from step to step, with the time and the task of its first one and with its address
// on every device on the way, and the request gets all of them. It does not matter which thread makes a step:
// that of an encrypting device is a worker's.
//
// Source: trace_block_bio_remap() in block/blk-core.c (partitions), drivers/md/dm.c (__map_bio and
// dm_submit_bio_remap: also for what a target submits later), drivers/md/raid*.c,
// drivers/nvme/host/multipath.c. All of them name whole disks (bio_dev()), never a partition, as the device
// below.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/units.h"
#include "model/block_events.h"

namespace ivtrace::model {

/// Some of a bio's or request's sectors as a device above calls them.
struct AddressAbove {
  std::uint32_t offset = 0;  ///< from the bio's or request's first sector
  SectorRange range;
};

/// Memory is bounded: the oldest bio goes. One thread.
class BioQueue {
 public:
  struct Bio {
    SectorRange range;
    HostTsc at;  ///< when it was queued first, on whichever device
    Task task;   ///< that queued it then
    std::vector<AddressAbove> above;
  };

  /// A bio is given to a device. What a remap has announced is the same bio.
  void queue(const SectorRange& range, const Task& task, HostTsc at);
  /// A request without a known bio waits for its driver, or does so again.
  void insert(Bio bio);
  /// Does a bio wait that begins there?
  bool has_bio_at(const SectorRange& range) const;
  /// A part of a bio for `upper` goes on as one for `lower`.
  void remap(const SectorRange& lower, const SectorRange& upper, const Task& task, HostTsc at);

  /// What is known of a request's sectors by the bios that became it.
  struct Taken {
    std::optional<HostTsc> queued;  ///< of the first one
    Task task;                      ///< of the first one
    std::vector<AddressAbove> above;
  };
  Taken take(const SectorRange& request);
  void clear();

  static constexpr std::size_t kMaxBios = 4096;
  static constexpr std::size_t kMaxPassedOn = 64;
  static constexpr std::size_t kMaxAbove = 8;  ///< devices above each other

 private:
  struct Entry;
  using Entries = std::list<Entry>;  ///< oldest first
  using Places = std::multimap<std::pair<std::uint32_t, std::uint64_t>, Entries::iterator>;
  struct Entry {
    Bio bio;
    std::uint32_t left = 0;        ///< sectors that were not passed on and no request has
    bool announced = false;        ///< by a remap; its own block_bio_queue is to come
    bool passed_on = false;        ///< whole, to a device below: it is in passed_on_
    std::int32_t remapped_by = 0;  ///< thread
    Places::iterator place;
  };

  Entry& add(Bio bio);
  void announce(Bio bio, std::int32_t thread);
  void erase(Entry& entry);
  void pass_on(Entry& entry, std::uint32_t count);
  /// The first place whose bio may reach into a range.
  Places::iterator reaching(const SectorRange& range);
  /// The bio that a part of is remapped: one that waits, else one that was passed on already.
  Entry* bio_of(const SectorRange& part);
  /// The bio that a remap has announced there; of several, one by that thread first.
  Entry* announced(const SectorRange& range, std::int32_t thread);

  Entries waiting_;
  Entries passed_on_;  ///< a mirror passes the same on again
  Places places_;      ///< of both, by device and first sector
  std::uint32_t longest_ = 0;
};

}  // namespace ivtrace::model
