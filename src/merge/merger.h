// k streams into one order: a loser tree that is left alone as long as one stream keeps winning.
//
// Events of one CPU come in bursts, so the next item mostly stems from the same stream. The merger therefore
// remembers the best time among all others and compares with that only; the tree is replayed when the winner
// passes it, which costs log2(k) comparisons up and as many for the new bound. A binary heap was rejected: it
// costs about twice the comparisons per change; sorting whole pages was rejected: it needs memory that grows
// with the number of CPUs and copies every event.
//
// Ties go to the stream that was given first, so the order of a run's events is the same every time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "merge/stream.h"

namespace ivtrace::merge {

/// One item of the merged order: an event, or a hole. All that it points to holds until the next one.
struct MergedEvent {
  HostTsc time;
  const StreamInfo* stream = nullptr;
  decode::RecordBytes record;        ///< empty for a hole
  const LossMarker* loss = nullptr;  ///< the hole, or nullptr
  std::uint16_t id = 0;              ///< common_type of the record, 0 for a hole
  bool aligned = true;               ///< false: placed by an assumption that the user asked for
};

/// Merges streams that it borrows; they must not be used by others meanwhile. One thread.
class Merger {
 public:
  explicit Merger(std::vector<EventStream*> streams);

  /// The next item, times never falling; false at the end, for ever.
  bool next(MergedEvent& event) {
    if (streams_.empty()) return false;
    EventStream& current = *streams_[winner_];
    if (fresh_) [[unlikely]] {
      fresh_ = false;
      return keys_[winner_] != kEnded && give(current, event);
    }
    const std::uint64_t key = current.advance() ? current.time().value : kEnded;
    if (key <= limit_ && key != kEnded) [[likely]]
      return give(current, event);
    keys_[winner_] = key;
    replay();
    return keys_[winner_] != kEnded && give(*streams_[winner_], event);
  }

 private:
  // Above every time of a stream, which ends at kEndOfTime.
  static constexpr std::uint64_t kEnded = ~std::uint64_t{0};

  static bool give(const EventStream& stream, MergedEvent& event) {
    event.time = stream.time();
    event.stream = &stream.info();
    event.record = stream.record();
    event.loss = stream.loss();
    event.id = decode::event_id(event.record);
    event.aligned = stream.aligned();
    return true;
  }
  bool before(std::size_t a, std::size_t b) const {
    return keys_[a] < keys_[b] || (keys_[a] == keys_[b] && a < b);
  }
  void build();
  void replay();
  void find_limit();

  std::vector<EventStream*> streams_;
  std::vector<std::uint64_t> keys_;  // each stream's current time, or kEnded; the winner's may be older
  std::vector<std::size_t> losers_;  // inner nodes 1..k-1 of a tree whose leaf of stream s is node k + s
  std::size_t winner_ = 0;
  std::uint64_t limit_ = kEnded;  // up to this time the winner stays the winner
  bool fresh_ = true;             // the winner's current item was not given out yet
};

}  // namespace ivtrace::merge
