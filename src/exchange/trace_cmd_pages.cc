#include "exchange/trace_cmd_pages.h"

#include <algorithm>

#include "clock/relation.h"
#include "decode/page.h"

namespace ivtrace::exchange {
namespace {

constexpr std::uint64_t kCheckEvery = 1u << 16;
constexpr std::uint64_t kPlainTimes = 1ull << 58;

/// The readable sub-buffers of a file, with a look at the next one.
class Images {
 public:
  /// From the last one on that may hold an event of `first` or later.
  Images(const run::PagesFile& file, std::span<const std::byte> pages, std::uint64_t first)
      : file_(file), pages_(pages), first_(first) {
    fetch();
  }

  /// The next one and the time at which the one behind it begins; false at the end.
  bool next(decode::PageImage& image, std::optional<std::uint64_t>& end) {
    if (!ahead_) return false;
    image = *ahead_;
    fetch();
    end = ahead_ ? std::optional(ahead_->timestamp) : std::nullopt;
    return true;
  }
  /// Whether bytes were met that cannot be read.
  bool damaged() const { return damaged_; }

 private:
  void fetch() {
    ahead_.reset();
    decode::PageImage image;
    while (true) {
      if (!walker_.next(image)) {
        if (!open_segment()) return;
      } else if (image.readable) {
        ahead_ = image;
        return;
      } else {
        damaged_ = true;
      }
    }
  }
  bool open_segment() {
    if (segment_ == file_.segments.size()) return false;
    const run::Segment& segment = file_.segments[segment_++];
    const std::uint64_t end = std::min<std::uint64_t>(segment.end, pages_.size());
    const std::uint64_t begin = std::min(segment.begin, end);
    walker_ = decode::PageWalker(pages_.subspan(begin, end - begin), segment.layout, segment.page_size);
    if (first_ > 0) walker_.seek(first_ - 1);
    return true;
  }

  const run::PagesFile& file_;
  std::span<const std::byte> pages_;
  std::uint64_t first_;
  std::size_t segment_ = 0;
  decode::PageWalker walker_;
  std::optional<decode::PageImage> ahead_;
  bool damaged_ = false;
};

}  // namespace

std::optional<PlainClock> plain_clock(const clock::GuestClock* guest, CpuId cpu,
                                      const merge::TimeRange& range) {
  PlainClock clock;
  if (guest != nullptr) {
    const auto epochs = guest->timeline(cpu);
    if (epochs.size() != 1 || !clock::is_unscaled(epochs[0].relation)) return std::nullopt;
    const std::int64_t offset = epochs[0].relation.offset;
    clock.offset = static_cast<std::uint64_t>(offset);
    const std::uint64_t from = epochs[0].valid_from.value;
    // Host times are not negative, and own times do not wrap within them.
    clock.begin = std::max(from - std::min(from, epochs[0].uncertain),
                           static_cast<std::uint64_t>(std::max<std::int64_t>(offset, 0)));
  }
  const auto own = [&](HostTsc time) {
    const auto at = static_cast<__int128>(time.value) + static_cast<std::int64_t>(clock.offset);
    return static_cast<std::uint64_t>(
        std::clamp<__int128>(at, 0, static_cast<__int128>(merge::kEndOfTime.value)));
  };
  clock.first = std::max(own(range.from), clock.begin);
  clock.last = own(std::min(range.until, merge::kEndOfTime));
  return clock;
}

bool has_plain_times(const run::PagesFile& file, std::span<const std::byte> pages) {
  Images images(file, pages, 0);
  decode::PageImage image;
  std::optional<std::uint64_t> end;
  return !images.next(image, end) || image.timestamp < kPlainTimes;
}

/// Where copy() stands.
struct PageCopy::Walk {
  const PlainClock& clock;
  std::uint64_t before = 0;  ///< own time of the last event
  std::uint64_t end = 0;     ///< of the sub-buffer: no event of it is later
  bool ended = false;        ///< behind the range
};

Status PageCopy::copy(const run::PagesFile& file, std::span<const std::byte> pages, const PlainClock& clock) {
  Images images(file, pages, clock.first);
  Walk walk{clock};
  decode::PageImage page;
  std::optional<std::uint64_t> end;
  std::uint64_t checked = 0, seen = 0;
  while (!walk.ended && images.next(page, end)) {
    walk.end = std::max(end.value_or(merge::kEndOfTime.value), walk.before);
    take(walk, page);
    seen += page.events.size();
    if (seen - checked < 16 * kCheckEvery) continue;
    checked = seen;
    IVT_RETURN_IF_ERROR(progress_.at(static_cast<double>(seen) / static_cast<double>(pages.size())));
    IVT_RETURN_IF_ERROR(out_.status());
  }
  tally_.holes = tally_.holes || images.damaged();
  flush();
  return out_.status();
}

void PageCopy::take(Walk& walk, const decode::PageImage& page) {
  if (page.missed && page.timestamp >= walk.clock.first) lose(page.missed_count);
  if (page.damaged_bytes > 0) tally_.holes = true;
  std::uint64_t events = 0, last = 0;
  if (!stays(walk, page, events, last)) return pick(walk, page);
  if (events == 0) return;
  flush();
  out_.page(page.timestamp, page.events, missed_);
  missed_ = {};
  walk.before = last;
  tally_.events += events;
}

/// Whether all of it is wanted as it is; then also how many events it has, and the last one's time.
bool PageCopy::stays(const Walk& walk, const decode::PageImage& page, std::uint64_t& events,
                     std::uint64_t& last) {
  if (page.damaged_bytes > 0 || format::kSubBufferHeader + page.events.size() > out_.page_size())
    return false;
  decode::EventCursor cursor(page.timestamp, page.events);
  decode::RawEvent raw;
  last = std::max(walk.before, walk.clock.first);
  const std::uint64_t most = std::min(walk.end, walk.clock.last);
  while (cursor.next(raw)) {
    if (raw.timestamp < last || raw.timestamp > most) return false;
    last = raw.timestamp;
    ++events;
    names_.look(decode::event_id(raw.record), raw.record, HostTsc(raw.timestamp - walk.clock.offset));
  }
  return cursor.damaged_bytes() == 0;
}

/// Takes the wanted events out of it, at the times that EventStream would give them.
void PageCopy::pick(Walk& walk, const decode::PageImage& page) {
  decode::EventCursor cursor(page.timestamp, page.events);
  decode::RawEvent raw;
  while (cursor.next(raw)) {
    if (raw.timestamp < walk.clock.begin) {
      ++tally_.without_time;
      continue;
    }
    const std::uint64_t time = std::clamp(raw.timestamp, walk.before, walk.end);
    walk.ended = time > walk.clock.last;
    if (walk.ended) return;
    walk.before = time;
    if (time < walk.clock.first) continue;
    names_.look(decode::event_id(raw.record), raw.record, HostTsc(time - walk.clock.offset));
    add(time, raw.record);
  }
  if (cursor.damaged_bytes() > 0) tally_.holes = true;
}

Status PageCopy::encode(merge::EventStream& stream, const merge::TimeRange& span) {
  // RunEvents has gone to each stream's first item already.
  bool has_item = stream.loss() != nullptr || !stream.record().empty();
  for (std::uint64_t i = 1; has_item; has_item = stream.advance(), ++i) {
    if (i % kCheckEvery == 0) {
      IVT_RETURN_IF_ERROR(progress_.at(share_of(span, stream.time())));
      IVT_RETURN_IF_ERROR(out_.status());
    }
    if (const merge::LossMarker* loss = stream.loss()) {
      lose(loss->events);
      continue;
    }
    names_.look(decode::event_id(stream.record()), stream.record(), stream.time());
    add(stream.time().value, stream.record());
  }
  tally_.without_time += stream.stats().without_time;
  flush();
  return out_.status();
}

void PageCopy::lose(std::optional<std::uint64_t> events) {
  flush();
  missed_.add(events);
  tally_.holes = true;
}

void PageCopy::add(std::uint64_t time, decode::RecordBytes record) {
  if (!encoder_.fits(time, record)) flush();
  if (encoder_.add(time, record)) {
    ++tally_.events;
  } else {
    ++tally_.too_large;
  }
}

void PageCopy::flush() {
  if (encoder_.empty()) return;
  out_.page(encoder_.timestamp(), encoder_.events(), missed_);
  missed_ = {};
  encoder_.clear();
}

}  // namespace ivtrace::exchange
