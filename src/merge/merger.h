// k streams into one order: a loser tree that is left alone as long as one stream keeps winning.
//
// Events of one CPU come in bursts, so the next item mostly stems from the same stream. The merger therefore
// remembers the best time among all others and compares with that only; the tree is replayed when the winner
// passes it, which costs log2(k) comparisons up and as many for the new bound. A binary heap was rejected: it
// costs about twice the comparisons per change; sorting whole pages was rejected: it needs memory that grows
// with the number of CPUs and copies every event.
//
// The way of one event through cursor, stream and merger is inlined by force into the loop that asks: as
// three calls, with the record handed over through memory, it took half as long again.
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
  decode::RecordBytes record;           ///< empty for a hole
  const LossMarker* loss = nullptr;     ///< the hole, or nullptr
  std::uint16_t id = 0;                 ///< common_type of the record, 0 for a hole
  bool aligned = true;                  ///< false: placed by an assumption that the user asked for
  const EventStream* source = nullptr;  ///< for what is seldom asked, as doubt()
};

/// Merges streams that it borrows; they must not be used by others meanwhile. One thread.
class Merger {
 public:
  explicit Merger(std::vector<EventStream*> streams);

  /// The next item, times never falling; false at the end, for ever.
  [[gnu::always_inline]] bool next(MergedEvent& event) {
    if (!running_) [[unlikely]]
      return start(event);
    decode::RecordBytes record;
    if (!current_->advance_in_page(record)) [[unlikely]]
      return turn(event);
    const HostTsc time = current_->time();
    if (time.value > limit_) {
      current_->keep(record);
      return change_winner(time.value, event);
    }
    // Consecutive items mostly differ in these only; what is right already is not written again.
    event.time = time;
    event.record = record;
    event.id = decode::event_id(record);
    if (event.stream != &current_->info() || event.loss != nullptr) [[unlikely]]
      describe(event);
    return true;
  }

 private:
  // Above every time of a stream, which ends at kEndOfTime.
  static constexpr std::uint64_t kEnded = ~std::uint64_t{0};

  bool start(MergedEvent& event);
  bool turn(MergedEvent& event);
  bool change_winner(std::uint64_t key, MergedEvent& event);
  bool give(MergedEvent& event) const;
  void describe(MergedEvent& event) const;
  /// Does stream `a` with the current time `a_key` go before stream `b`?
  static bool before(std::uint64_t a_key, std::size_t a, std::uint64_t b_key, std::size_t b) {
    return (a_key < b_key) | ((a_key == b_key) & (a < b));
  }
  void build();
  void replay(std::uint64_t key);
  void find_limit(std::uint64_t winner_key);

  std::vector<EventStream*> streams_;
  // Inner nodes 1..k-1 of a tree whose leaf of stream s is node k + s: the stream that lost there and its
  // current time, kEnded behind its end. Two arrays: a pair is moved as one word of 16 bytes, which waits for
  // the two words of 8 bytes that were just stored.
  std::vector<std::uint64_t> loser_keys_;
  std::vector<std::size_t> losers_;
  std::size_t winner_ = 0;
  std::uint64_t limit_ = kEnded;    // up to this time the winner stays the winner
  EventStream* current_ = nullptr;  // streams_[winner_]; nullptr when all have ended
  bool running_ = false;            // the winner's current item was given out
};

}  // namespace ivtrace::merge
