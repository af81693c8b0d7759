// One CPU's events of one buffer, in time order on the host's clock, with what is lost at its place.
//
// The kernel writes a CPU's events in their order, so a stream needs no sorting, only the conversion of its
// clock. Times can still fall back: an epoch of a guest's clock begins a few ticks off the one before, or a
// damaged word makes a time that is far off. A stream never falls back: the order of the buffer is the truth,
// and an event's time is moved to the nearest one that keeps it, between its predecessor's and the start of
// the next page. That bound keeps one bad word from pushing all that follows to the end of time. Events so
// moved are counted (StreamStats::moved).
//
// Loss stands where the hole ends, as the kernel prints it: before the first event after it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "decode/format_file.h"
#include "decode/page.h"
#include "merge/time_converter.h"

namespace ivtrace::merge {

/// Later than any time of a host that is up for less than centuries; times beyond are moved to it.
inline constexpr HostTsc kEndOfTime{(1ull << 63) - 1};

/// Whose events a stream carries. Constant while merging; texts and table live in the run's reader.
struct StreamInfo {
  std::size_t machine = 0;  ///< index in RunReader::machines()
  std::string_view machine_name;
  std::string_view buffer;  ///< "" for the main buffer
  CpuId cpu;
  const decode::FormatTable* formats = nullptr;  ///< of the machine; may lack the event
};

enum class LossKind {
  kMissed,    ///< the kernel's ring ran over, or pages never arrived: told by the pages themselves
  kDamaged,   ///< bytes of the page file that do not decode
  kRecorded,  ///< told by the recorder's journal
};
const char* to_string(LossKind kind);

/// A hole in a stream.
struct LossMarker {
  LossKind kind = LossKind::kMissed;
  std::optional<CpuId> cpu;             ///< empty: of the whole machine
  std::optional<std::uint64_t> events;  ///< how many, when known
  std::optional<std::uint64_t> bytes;   ///< of the file or the ring, when known
  HostTsc from;                         ///< the last event before it, or the run's start
  std::optional<HostTsc> until;         ///< the first sign of life after it; empty: there is none
  std::string_view reason;  ///< "missed-events", "missing-pages", "damaged-page", or the journal's word
};

/// A part of the stream's file that is read in one way.
struct StreamSegment {
  std::uint64_t begin = 0;  ///< offset in the file
  decode::PageWalker pages;
};

/// What a stream met besides events and markers.
struct StreamStats {
  std::uint64_t moved = 0;          ///< events whose time was moved to keep the order
  std::uint64_t furthest_move = 0;  ///< by at most so many host ticks
  std::uint64_t without_time = 0;   ///< events left out: no relation holds at their time
  std::uint64_t damaged_bytes = 0;  ///< of the pages that were read
};

/// The range of host time that is asked for, both ends included.
struct TimeRange {
  HostTsc from{0};
  HostTsc until = kEndOfTime;
};

/// Walks one stream. Borrows the bytes of its segments, the texts of its info, and the clock. One thread.
///
/// After advance() gave true, time() and either record() or loss() hold until the next advance().
class EventStream {
 public:
  /// `start` is the run's start: the `from` of what was lost before the first event.
  EventStream(StreamInfo info, TimeConverter converter, std::vector<StreamSegment> segments, HostTsc start,
              TimeRange range);
  /// A stream of markers only, as the recorder's journal has them; placed at their `until`, or else `from`.
  EventStream(StreamInfo info, std::vector<LossMarker> markers, HostTsc start, TimeRange range);
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  /// Skips what certainly lies before the range. `offsets` are sizes that the file had before range.from,
  /// rising. Only before the first advance().
  void seek(std::span<const std::uint64_t> offsets);

  /// Goes to the next event or marker within the range; false at the end, for ever.
  bool advance() { return advance_in_page() || advance_slowly(); }
  /// The fast half of advance(): goes to the next event, if the current page has one, and hands its record
  /// out instead of keeping it. False: nothing changed that advance_slowly() would not go on from.
  [[gnu::always_inline]] bool advance_in_page(decode::RecordBytes& record) {
    decode::RawEvent raw;
    while (cursor_.next(raw)) {
      std::uint64_t host;
      if (!converter_.convert(raw.timestamp, host)) [[unlikely]] {
        ++stats_.without_time;
        continue;
      }
      if ((host < time_ || host > limit_) && !settle(host)) [[unlikely]]
        return false;
      time_ = host;
      record = raw.record;
      return true;
    }
    return false;
  }
  /// The other half: markers, the next page, the end.
  bool advance_slowly();
  /// Makes record() give what advance_in_page() handed out.
  void keep(decode::RecordBytes record) { record_ = record; }

  HostTsc time() const { return HostTsc(time_); }
  decode::RecordBytes record() const { return record_; }
  /// The marker when this item is one, else nullptr.
  const LossMarker* loss() const { return loss_; }
  bool aligned() const { return converter_.aligned(); }
  /// By how many host ticks the item's time may be off where the guest's clock was just changing; 0
  /// elsewhere.
  std::uint64_t doubt() const { return converter_.doubt(time_ == moved_to_ ? moved_from_ : time_); }
  const StreamInfo& info() const { return info_; }
  const StreamStats& stats() const { return stats_; }

 private:
  bool advance_in_page() { return advance_in_page(record_); }
  bool turn_page();
  void open_page(const decode::PageImage& page, std::uint64_t lost_bytes);
  void fetch_ahead();
  bool emit_marker();
  bool seek_in_page();
  void add_marker(LossMarker marker);
  bool settle(std::uint64_t& host);
  void end();

  // What every event needs.
  decode::EventCursor cursor_;
  TimeConverter converter_;
  std::uint64_t time_ = 0;   // of the current item; never falls
  std::uint64_t limit_ = 0;  // the lesser of page_end_ and the range's end
  TimeRange range_;
  decode::RecordBytes record_;
  const LossMarker* loss_ = nullptr;

  // What every page needs.
  StreamInfo info_;
  StreamStats stats_;
  HostTsc start_;
  std::uint64_t moved_from_ = 0;  // of the last event that settle() moved
  std::uint64_t moved_to_ = 0;
  std::uint64_t page_end_ = 0;  // no event of the current page is later: the next page's start
  std::vector<StreamSegment> segments_;
  std::size_t segment_ = 0;
  std::optional<decode::PageImage> ahead_;  // the next readable page
  std::uint64_t ahead_damage_ = 0;          // bytes lost before it
  std::uint64_t cut_bytes_ = 0;             // of the current page, lost behind its events
  bool fetched_ = false;                    // ahead_ was looked for at all
  bool seeking_ = true;                     // nothing within the range was found yet
  bool ended_ = false;
  std::optional<decode::EventCursor> waiting_;  // the page's events, behind the markers before them
  std::vector<LossMarker> markers_;
  std::size_t next_marker_ = 0;
};

}  // namespace ivtrace::merge
