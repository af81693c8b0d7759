// The arithmetic of offsets that are known by bounds, and of epochs made of them.
#pragma once

#include <cstdint>

#include "base/units.h"
#include "clock/line_fit.h"
#include "clock/types.h"

namespace ivtrace::clock {

/// Host CPUs' TSCs are synchronised, but not to the tick: so much disagreement between bursts is no change of
/// the clock. What is used of it counts as error, and it is used up once in an epoch, so a drift cannot hide
/// in it.
inline constexpr std::uint64_t kTscSkew = 64;
/// A fitted speed holds for so many times the span that it was fitted over.
inline constexpr std::uint64_t kFittedFor = 2;

/// Bounds on an offset, in guest ticks.
struct OffsetBounds {
  std::int64_t lower = 0;
  std::int64_t upper = 0;

  bool empty() const { return upper < lower; }
};

bool meets(const OffsetBounds& a, const OffsetBounds& b);
/// How far two intervals are apart, 0 when they meet.
std::uint64_t gap(const OffsetBounds& a, const OffsetBounds& b);
/// What both allow.
OffsetBounds common(const OffsetBounds& a, const OffsetBounds& b);
/// Saturates.
OffsetBounds widened(const OffsetBounds& bounds, std::uint64_t by);
/// The offset that a burst allows at `relation`'s ratio. At speed 1 all exchanges count; at any other the
/// offset moves during the burst, and only the narrowest exchange says something.
OffsetBounds bounds_of(const Burst& burst, const TscRelation& relation);
LinePoint point_of(const Burst& burst);

/// An epoch told by handshakes, with the middle of the bounds as its offset.
Epoch epoch_of(const OffsetBounds& bounds, TscRelation relation, std::uint64_t extra_error);
/// Of a speed that was fitted over `span` host ticks. The error grows with the time from the first point on,
/// so it is given for kFittedFor times the span; a new fit must come before that has passed.
Epoch fitted_epoch(const LineFit& fit, std::uint64_t span);

/// Where in the guest's time `next` begins, when the change from `old` came at a host time between the two.
///
/// An event of the old relation read at most old_last, one of the new at least new_first: in between it may
/// be either. A guest that stood still meanwhile reads on where it was, as long as the numbers allow that
/// (new_last is not before old_first): then what is before old_first is old, and what is behind new_last is
/// new, too. Without this, a pause of a minute would put the minutes around it in doubt.
void place(const Epoch& old, Epoch& next, HostTsc not_before, HostTsc not_after, bool stood_still);

/// Did the host's kernel tell it?
bool is_exact(ClockSource source);

}  // namespace ivtrace::clock
