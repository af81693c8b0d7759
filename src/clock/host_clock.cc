// TSC → time by pieces between anchors. Each piece has its speed as a fixed-point number: the product of a
// 64-bit tick count and the speed fits 128 bits, and 52 fraction bits keep the rounding below one nanosecond
// for a piece of days.
#include <algorithm>
#include <cmath>
#include <limits>

#include "clock/clock_map.h"

namespace ivtrace::clock {
namespace {

using I128 = __int128;

/// 1 MHz: below that no TSC is known, and the fixed-point speed of one nanosecond per tick and more still
/// fits.
constexpr std::int64_t kMaxNsPerTick = 1000;
/// What the kernel's own calibration of a TSC may be off when there is nothing to measure it by.
constexpr double kNominalError = 500e-6;

std::int64_t saturate(I128 value) {
  if (value > std::numeric_limits<std::int64_t>::max()) return std::numeric_limits<std::int64_t>::max();
  if (value < std::numeric_limits<std::int64_t>::min()) return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(value);
}

std::int64_t along(std::int64_t base, std::uint64_t from, std::uint64_t mult, std::uint64_t tsc) {
  const I128 ticks = static_cast<I128>(tsc) - static_cast<I128>(from);
  return saturate(base + ((ticks * static_cast<I128>(mult)) >> kMultShift));
}

std::uint64_t back_along(std::uint64_t from, std::uint64_t mult, I128 ns) {
  // Rounded up, so that the time of the result is not before the one asked for.
  const I128 scaled = ns * (static_cast<I128>(1) << kMultShift);
  const I128 divisor = static_cast<I128>(mult);
  const I128 ticks = scaled >= 0 ? (scaled + divisor - 1) / divisor : -(-scaled / divisor);
  const I128 tsc = static_cast<I128>(from) + ticks;
  if (tsc < 0) return 0;
  return tsc > static_cast<I128>(~0ull) ? ~0ull : static_cast<std::uint64_t>(tsc);
}

/// 0 when the two points give no possible speed.
std::uint64_t speed(std::int64_t ns, std::uint64_t ticks) {
  if (ns <= 0 || ticks == 0) return 0;
  const I128 mult = (static_cast<I128>(ns) << kMultShift) / static_cast<I128>(ticks);
  if (mult > static_cast<I128>(kMaxNsPerTick) << kMultShift) return 0;
  return static_cast<std::uint64_t>(mult);
}

std::vector<Anchor> plausible(std::vector<Anchor> anchors) {
  std::stable_sort(anchors.begin(), anchors.end(),
                   [](const Anchor& a, const Anchor& b) { return a.tsc < b.tsc; });
  std::vector<Anchor> kept;
  for (const Anchor& anchor : anchors) {
    if (kept.empty()) {
      kept.push_back(anchor);
      continue;
    }
    std::int64_t ns = 0;
    if (__builtin_sub_overflow(anchor.monotonic_raw.value, kept.back().monotonic_raw.value, &ns)) continue;
    if (speed(ns, anchor.tsc.value - kept.back().tsc.value) != 0) kept.push_back(anchor);
  }
  return kept;
}

/// A wall clock that was set (stepped) between two anchors: it is not told when, so the piece goes on from
/// its start.
bool stepped(std::int64_t real_ns, std::int64_t raw_ns) {
  const double off = std::abs(static_cast<double>(real_ns) - static_cast<double>(raw_ns));
  return off > static_cast<double>(raw_ns) * 1e-3 + 1e6;
}

std::int64_t pairing_error(const Anchor& anchor, std::uint64_t mult) {
  const auto ns = static_cast<unsigned __int128>(anchor.bracket / 2 + 1) * mult >> kMultShift;
  return saturate(static_cast<I128>(std::min<unsigned __int128>(ns, 1ull << 62))) + 1;
}

}  // namespace

Result<HostClock> HostClock::create(std::vector<Anchor> all, HostTsc start, std::uint64_t nominal_khz) {
  const std::vector<Anchor> anchors = plausible(std::move(all));
  if (anchors.empty())
    return Error(ErrorCode::kCorrupt, "the run has no clock anchor, so its times are not known");
  HostClock clock;
  for (std::size_t i = 0; i + 1 < anchors.size(); ++i) {
    const Anchor& from = anchors[i];
    const Anchor& to = anchors[i + 1];
    const std::uint64_t ticks = to.tsc.value - from.tsc.value;
    const std::int64_t raw_ns = to.monotonic_raw.value - from.monotonic_raw.value;
    Piece piece{from.tsc.value, from.monotonic_raw.value, from.realtime.value, speed(raw_ns, ticks), 0, 0, 0};
    std::int64_t real_ns = 0;
    const bool overflow = __builtin_sub_overflow(to.realtime.value, from.realtime.value, &real_ns);
    piece.real_mult = overflow || stepped(real_ns, raw_ns) ? piece.raw_mult : speed(real_ns, ticks);
    if (piece.real_mult == 0) piece.real_mult = piece.raw_mult;
    const std::int64_t ends =
        std::max(pairing_error(from, piece.raw_mult), pairing_error(to, piece.raw_mult));
    piece.error = ends;
    piece.drift = 2.0 * static_cast<double>(ends) / static_cast<double>(ticks);
    clock.pieces_.push_back(piece);
  }
  if (clock.pieces_.empty()) {
    const std::uint64_t mult = speed(1'000'000, nominal_khz);  // 1 ms has nominal_khz ticks
    if (mult == 0) {
      return Error(ErrorCode::kCorrupt, "the run has a single clock anchor and no TSC frequency",
                   "it was cut off in its first second; @TSC times still work");
    }
    const Anchor& only = anchors.front();
    const double ns_per_tick = static_cast<double>(mult) / static_cast<double>(1ull << kMultShift);
    clock.pieces_.push_back({only.tsc.value, only.monotonic_raw.value, only.realtime.value, mult, mult,
                             pairing_error(only, mult), ns_per_tick * kNominalError});
  }
  clock.end_tsc_ = anchors.back().tsc.value;
  // An anchor that lies off the line between its neighbours shows how far the pieces bend.
  for (std::size_t i = 1; i + 1 < anchors.size(); ++i) {
    const std::uint64_t mult = speed(
        saturate(static_cast<I128>(anchors[i + 1].monotonic_raw.value) - anchors[i - 1].monotonic_raw.value),
        anchors[i + 1].tsc.value - anchors[i - 1].tsc.value);
    if (mult == 0) continue;
    const std::int64_t expected =
        along(anchors[i - 1].monotonic_raw.value, anchors[i - 1].tsc.value, mult, anchors[i].tsc.value);
    const I128 off = static_cast<I128>(expected) - anchors[i].monotonic_raw.value;
    const std::int64_t bend = saturate(off < 0 ? -off : off);
    for (Piece* piece : {&clock.pieces_[i - 1], &clock.pieces_[i]})
      piece->error = std::max(piece->error, bend);
  }
  for (const Piece& piece : clock.pieces_)
    clock.worst_error_ = std::max(clock.worst_error_, Nanoseconds(piece.error));
  for (const Anchor& anchor : anchors) {
    if (anchor.maxerror_us >= 0) clock.wall_maxerror_us_ = anchor.maxerror_us;
  }
  clock.average_mult_ = clock.pieces_.front().raw_mult;
  if (anchors.size() > 1) {
    const std::uint64_t whole = speed(
        saturate(static_cast<I128>(anchors.back().monotonic_raw.value) - anchors.front().monotonic_raw.value),
        anchors.back().tsc.value - anchors.front().tsc.value);
    if (whole != 0) clock.average_mult_ = whole;
  }
  clock.start_raw_ = clock.raw_of(start);
  return clock;
}

const HostClock::Piece& HostClock::piece_of(HostTsc tsc) const {
  auto after = std::upper_bound(pieces_.begin(), pieces_.end(), tsc.value,
                                [](std::uint64_t value, const Piece& piece) { return value < piece.tsc; });
  return after == pieces_.begin() ? pieces_.front() : *std::prev(after);
}

std::int64_t HostClock::raw_of(HostTsc tsc) const {
  const Piece& piece = piece_of(tsc);
  return along(piece.raw, piece.tsc, piece.raw_mult, tsc.value);
}

Nanoseconds HostClock::to_ns(HostTsc tsc) const {
  return Nanoseconds(saturate(static_cast<I128>(raw_of(tsc)) - start_raw_));
}

HostTsc HostClock::to_tsc(Nanoseconds since_start) const {
  const I128 raw = static_cast<I128>(start_raw_) + since_start.value;
  auto after = std::upper_bound(pieces_.begin(), pieces_.end(), raw,
                                [](I128 value, const Piece& piece) { return value < piece.raw; });
  const Piece& piece = after == pieces_.begin() ? pieces_.front() : *std::prev(after);
  return HostTsc(back_along(piece.tsc, piece.raw_mult, raw - piece.raw));
}

Nanoseconds HostClock::to_realtime(HostTsc tsc) const {
  const Piece& piece = piece_of(tsc);
  return Nanoseconds(along(piece.real, piece.tsc, piece.real_mult, tsc.value));
}

HostTsc HostClock::from_realtime(Nanoseconds since_epoch) const {
  // Wall clocks may be set back, so the pieces are not sorted by it: the first whose end is behind the time
  // has it.
  for (std::size_t i = 0; i + 1 < pieces_.size(); ++i) {
    const Piece& piece = pieces_[i];
    const std::int64_t end = along(piece.real, piece.tsc, piece.real_mult, pieces_[i + 1].tsc);
    if (since_epoch.value < end || since_epoch.value < pieces_[i + 1].real) {
      const HostTsc tsc(
          back_along(piece.tsc, piece.real_mult, static_cast<I128>(since_epoch.value) - piece.real));
      return std::min(tsc, HostTsc(pieces_[i + 1].tsc));
    }
  }
  const Piece& last = pieces_.back();
  return HostTsc(back_along(last.tsc, last.real_mult, static_cast<I128>(since_epoch.value) - last.real));
}

Nanoseconds HostClock::error(HostTsc tsc) const {
  const Piece& piece = piece_of(tsc);
  double outside = 0;
  if (tsc.value > end_tsc_) outside = static_cast<double>(tsc.value - end_tsc_);
  if (tsc.value < pieces_.front().tsc) outside = static_cast<double>(pieces_.front().tsc - tsc.value);
  // Clamped before the conversion: a damaged journal may give any speed.
  const double drifted = std::min(std::ceil(outside * piece.drift), 9e18);
  return Nanoseconds(saturate(static_cast<I128>(piece.error) + static_cast<I128>(drifted)));
}

Nanoseconds HostClock::ticks_to_ns(std::uint64_t ticks) const {
  // Rounded up: it is used for error bounds.
  const auto product = static_cast<unsigned __int128>(ticks) * average_mult_ + ((1ull << kMultShift) - 1);
  const auto ns = product >> kMultShift;
  return Nanoseconds(ns > static_cast<unsigned __int128>(INT64_MAX) ? INT64_MAX
                                                                    : static_cast<std::int64_t>(ns));
}

bool NearClock::move(HostTsc tsc) {
  ticks_ = 0;
  const HostClock::Piece& piece = clock_.piece_of(tsc);
  constexpr std::int64_t kFar = std::int64_t{1} << 61;  // sums of a few such still fit
  const auto near = [](std::int64_t ns) { return -kFar < ns && ns < kFar; };
  if (piece.tsc > tsc.value || piece.raw_mult == 0 || !near(piece.raw) || !near(clock_.start_raw_))
    return false;
  from_ = piece.tsc;
  mult_ = piece.raw_mult;
  ns_ = piece.raw - clock_.start_raw_;
  const I128 longest = (static_cast<I128>(kFar) << kMultShift) / static_cast<I128>(mult_);
  const std::uint64_t end = &piece == &clock_.pieces_.back() ? ~0ull : (&piece)[1].tsc;
  ticks_ = static_cast<std::uint64_t>(std::min<I128>(longest, end - from_));
  return tsc.value - from_ < ticks_;
}

}  // namespace ivtrace::clock
