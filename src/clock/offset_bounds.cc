#include "clock/offset_bounds.h"

#include <algorithm>

#include "clock/relation.h"

namespace ivtrace::clock {
namespace {

bool before(GuestTsc a, GuestTsc b) { return static_cast<std::int64_t>(a.value - b.value) < 0; }
GuestTsc max_of(GuestTsc a, GuestTsc b) { return before(a, b) ? b : a; }
GuestTsc min_of(GuestTsc a, GuestTsc b) { return before(a, b) ? a : b; }

std::uint64_t distance(std::int64_t low, std::int64_t high) {
  return static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
}

std::int64_t middle(const OffsetBounds& bounds) {
  return bounds.lower + static_cast<std::int64_t>(distance(bounds.lower, bounds.upper) / 2);
}

}  // namespace

LinePoint point_of(const Burst& burst) { return {burst.tight_t1, burst.tight_t2, burst.guest_tsc}; }

bool meets(const OffsetBounds& a, const OffsetBounds& b) { return a.lower <= b.upper && b.lower <= a.upper; }

std::uint64_t gap(const OffsetBounds& a, const OffsetBounds& b) {
  if (a.lower > b.upper) return distance(b.upper, a.lower);
  if (b.lower > a.upper) return distance(a.upper, b.lower);
  return 0;
}

OffsetBounds common(const OffsetBounds& a, const OffsetBounds& b) {
  return {std::max(a.lower, b.lower), std::min(a.upper, b.upper)};
}

OffsetBounds bounds_of(const Burst& burst, const TscRelation& relation) {
  if (is_unscaled(relation)) return {burst.lower, burst.upper};
  return {static_cast<std::int64_t>(burst.guest_tsc.value - scale(relation, burst.tight_t2.value)),
          static_cast<std::int64_t>(burst.guest_tsc.value - scale(relation, burst.tight_t1.value))};
}

OffsetBounds widened(const OffsetBounds& bounds, std::uint64_t by) {
  const auto ticks = static_cast<std::int64_t>(std::min<std::uint64_t>(by, 1ull << 62));
  OffsetBounds wide = bounds;
  if (__builtin_sub_overflow(bounds.lower, ticks, &wide.lower)) wide.lower = INT64_MIN;
  if (__builtin_add_overflow(bounds.upper, ticks, &wide.upper)) wide.upper = INT64_MAX;
  return wide;
}

Epoch epoch_of(const OffsetBounds& bounds, TscRelation relation, std::uint64_t extra_error) {
  Epoch epoch;
  relation.offset = middle(bounds);
  epoch.relation = relation;
  epoch.source = ClockSource::kHandshake;
  const std::uint64_t half = distance(bounds.lower, bounds.upper) / 2 + 1;
  epoch.error = host_ticks(relation, half > ~0ull - extra_error ? ~0ull : half + extra_error);
  return epoch;
}

Epoch fitted_epoch(const LineFit& fit, std::uint64_t span) {
  const double growth = static_cast<double>(span) * kFittedFor * fit.relative_error;
  return epoch_of({fit.lower, fit.upper}, fit.relation, static_cast<std::uint64_t>(growth));
}

void place(const Epoch& old, Epoch& next, HostTsc not_before, HostTsc not_after, bool stood_still) {
  const GuestTsc old_first = to_guest(old.relation, not_before);
  const GuestTsc old_last = to_guest(old.relation, not_after);
  const GuestTsc new_first = to_guest(next.relation, not_before);
  const GuestTsc new_last = to_guest(next.relation, not_after);
  const std::uint64_t slack = std::max(scale(old.relation, old.error), scale(next.relation, next.error));
  GuestTsc low = new_first;
  GuestTsc high = old_last;
  if (stood_still && !before(new_last, old_first)) {
    low = max_of(old_first, new_first);
    high = min_of(old_last, new_last);
  }
  const std::uint64_t both = before(low, high) ? high.value - low.value : 0;
  next.valid_from = GuestTsc((both != 0 ? high : low).value + slack);
  next.uncertain = both + 2 * slack;
}

bool is_exact(ClockSource source) {
  return source != ClockSource::kHandshake && source != ClockSource::kNone;
}

}  // namespace ivtrace::clock
