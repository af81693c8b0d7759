#include "merge/stream.h"

#include <algorithm>
#include <utility>

namespace ivtrace::merge {
namespace {

std::uint64_t place_of(const LossMarker& marker) {
  return std::min(marker.until.value_or(marker.from), kEndOfTime).value;
}

}  // namespace

const char* to_string(LossKind kind) {
  switch (kind) {
    case LossKind::kMissed:
      return "missed";
    case LossKind::kDamaged:
      return "damaged";
    case LossKind::kRecorded:
      return "recorded";
  }
  return "unknown";
}

EventStream::EventStream(StreamInfo info, TimeConverter converter, std::vector<StreamSegment> segments,
                         HostTsc start, TimeRange range)
    : converter_(std::move(converter)),
      range_(range),
      info_(info),
      start_(std::min(start, kEndOfTime)),
      segments_(std::move(segments)) {
  range_.until = std::min(range_.until, kEndOfTime);
}

EventStream::EventStream(StreamInfo info, std::vector<LossMarker> markers, HostTsc start, TimeRange range)
    : EventStream(info, TimeConverter::host(), std::vector<StreamSegment>{}, start, range) {
  std::stable_sort(markers.begin(), markers.end(),
                   [](const LossMarker& a, const LossMarker& b) { return place_of(a) < place_of(b); });
  for (LossMarker& marker : markers) add_marker(std::move(marker));
}

void EventStream::seek(std::span<const std::uint64_t> offsets) {
  if (segments_.empty() || range_.from.value == 0) return;
  // The newest offset that proves to be an image's start serves; a busy packed file ends inside an image at
  // most marks, so some older ones are tried.
  constexpr std::size_t kTries = 64;
  bool placed = false;
  for (std::size_t i = 0; i < offsets.size() && i < kTries && !placed; ++i) {
    const std::uint64_t offset = offsets[offsets.size() - 1 - i];
    std::size_t index = segments_.size();
    while (index > 0 && segments_[index - 1].begin > offset) --index;
    if (index == 0) break;
    StreamSegment& segment = segments_[index - 1];
    placed = segment.pages.skip_to(static_cast<std::size_t>(offset - segment.begin));
    if (placed) segment_ = index - 1;
  }
  const std::optional<std::uint64_t> native = converter_.to_native(range_.from);
  // One less: an event of exactly that time may stand at the end of the page before.
  if (native && *native > 0) segments_[segment_].pages.seek(*native - 1);
}

bool EventStream::advance_slowly() {
  loss_ = nullptr;
  while (!ended_) {
    if (emit_marker()) return true;
    if (waiting_) {
      cursor_ = *waiting_;
      waiting_.reset();
      if (seeking_ ? seek_in_page() : advance_in_page()) return true;
      continue;
    }
    if (!turn_page()) end();
  }
  return false;
}

bool EventStream::emit_marker() {
  if (next_marker_ == markers_.size()) return false;
  const LossMarker& marker = markers_[next_marker_++];
  // One that began within the range and ends behind it is shown at the range's end.
  time_ = std::max(time_, std::min(place_of(marker), range_.until.value));
  record_ = {};
  loss_ = &marker;
  return true;
}

void EventStream::add_marker(LossMarker marker) {
  if (marker.from > range_.until || (marker.until && *marker.until < range_.from)) return;
  markers_.push_back(std::move(marker));
}

bool EventStream::seek_in_page() {
  while (advance_in_page()) {
    if (time_ < range_.from.value) continue;
    seeking_ = false;
    return true;
  }
  return false;
}

bool EventStream::turn_page() {
  if (!fetched_) fetch_ahead();
  const std::uint64_t lost = cursor_.damaged_bytes() + cut_bytes_ + ahead_damage_;
  stats_.damaged_bytes += lost;
  markers_.clear();
  next_marker_ = 0;
  cursor_ = {};
  cut_bytes_ = 0;
  if (!ahead_) {
    ahead_damage_ = 0;
    if (lost == 0) return false;
    add_marker({LossKind::kDamaged, info_.cpu, std::nullopt, lost, time_ > 0 ? HostTsc(time_) : start_,
                std::nullopt, "damaged-page"});
    return !markers_.empty();
  }
  const decode::PageImage page = *ahead_;
  fetch_ahead();
  open_page(page, lost);
  return true;
}

void EventStream::open_page(const decode::PageImage& page, std::uint64_t lost_bytes) {
  const std::uint64_t before = time_;
  std::uint64_t begin = before;
  std::uint64_t next = kEndOfTime.value;
  if (!converter_.convert(page.timestamp, begin)) begin = before;
  TimeConverter ahead = converter_;  // a later time must not count as this page's past
  if (!ahead_ || !ahead.convert(ahead_->timestamp, next)) next = kEndOfTime.value;
  page_end_ = std::clamp(next, before, kEndOfTime.value);
  limit_ = std::min(page_end_, range_.until.value);
  begin = std::clamp(begin, before, page_end_);
  cut_bytes_ = page.damaged_bytes;

  if (seeking_ && ahead_ && next < range_.from.value) {  // all of this page is before the range
    time_ = begin;
    return;
  }
  const HostTsc from(before > 0 ? before : std::min(start_.value, begin));
  if (lost_bytes > 0) {
    add_marker(
        {LossKind::kDamaged, info_.cpu, std::nullopt, lost_bytes, from, HostTsc(begin), "damaged-page"});
  }
  if (page.missed) {
    add_marker({LossKind::kMissed, info_.cpu, page.missed_count, std::nullopt, from, HostTsc(begin),
                page.missing_pages > 0 ? "missing-pages" : "missed-events"});
  }
  waiting_ = decode::EventCursor(page.timestamp, page.events);
}

void EventStream::fetch_ahead() {
  fetched_ = true;
  ahead_.reset();
  ahead_damage_ = 0;
  decode::PageImage image;
  while (segment_ < segments_.size()) {
    if (!segments_[segment_].pages.next(image)) {
      ++segment_;
    } else if (image.readable) {
      ahead_ = image;
      return;
    } else {
      ahead_damage_ += image.damaged_bytes;
    }
  }
}

/// Finds the place of an event whose time breaks the order or the range; false, and the end, when it is
/// behind the range.
bool EventStream::settle(std::uint64_t& host) {
  const std::uint64_t place = std::clamp(host, time_, page_end_);
  if (place > range_.until.value) {
    end();
    return false;
  }
  if (place != host) {
    ++stats_.moved;
    stats_.furthest_move = std::max(stats_.furthest_move, host < place ? place - host : host - place);
    moved_from_ = host;
    moved_to_ = place;
    host = place;
  }
  return true;
}

void EventStream::end() {
  ended_ = true;
  cursor_ = {};
  waiting_.reset();
}

}  // namespace ivtrace::merge
