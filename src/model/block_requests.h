// A machine's block requests, from the moment somebody wants them to their completion.
//
//   block_bio_queue ─▶ block_rq_insert ─▶ block_rq_issue ─▶ block_rq_complete
//      queued          (schedulers only)     issued             completed
//
// A request is known by its device, first sector, size and direction. Flushes have no place, and of equal
// ones the oldest is taken. Several bios may be merged into one request: it is queued when the first of them
// was, on whichever device above it that happened (bio_queue.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/units.h"
#include "model/bio_queue.h"
#include "model/block_events.h"

namespace ivtrace::model {

/// One request of one machine.
struct BlockRequest {
  std::uint64_t number = 0;  ///< of this machine, from 1
  SectorRange range;
  IoDirection direction = IoDirection::kOther;
  Task task;  ///< that wanted it: who queued the first bio, else who issued it
  std::optional<HostTsc> queued;
  HostTsc issued;
  std::optional<HostTsc> completed;
  std::vector<AddressAbove> above;  ///< where its sectors are on the devices above, each as far as is known
};

/// Follows requests. Memory depends on what is open, bounded by kMaxOpen. One thread.
class BlockRequests {
 public:
  /// What an event did. `issued` stays valid until the request is completed; `completed` until the next
  /// look().
  struct Change {
    BlockRequest* issued = nullptr;
    const BlockRequest* completed = nullptr;
    std::optional<BlockRequest> requeued;  ///< went back to its queue; it will be issued under a new number
  };
  Change look(const BlockEvents::Seen& seen, HostTsc at);
  /// Events were lost: nothing that is open is believed any more.
  void forget();
  /// Requests whose completion was not seen, by now: open, or given up because events were lost or too many
  /// were open.
  std::uint64_t unfinished() const { return open_.size() + forgotten_; }

  /// Requests with the driver now, by (device, first sector).
  using Key = std::pair<std::uint32_t, std::uint64_t>;
  using Open = std::multimap<Key, BlockRequest>;
  const Open& open() const { return open_; }
  Open& open() { return open_; }

  static constexpr std::size_t kMaxOpen = 4096;

 private:
  BlockRequest& issue(const BlockEvents::Seen& seen, HostTsc at);
  static Key key_of(const BlockEvents::Seen& seen);
  Open::iterator find(const BlockEvents::Seen& seen);
  bool complete(const BlockEvents::Seen& seen, HostTsc at);

  BioQueue bios_;  ///< that no request has yet
  Open open_;
  BlockRequest completed_;
  std::uint64_t count_ = 0;
  std::uint64_t forgotten_ = 0;
};

}  // namespace ivtrace::model
