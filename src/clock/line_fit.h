// A straight line guest_tsc(host_tsc) through handshake exchanges, for guests whose TSC runs at another
// speed.
//
// An exchange says: the guest read g at some host time within [t1, t2]. In the plane (g, host) that is a
// vertical segment, and a line host = s·g + c fits when it meets all of them. For a given slope s that is
// possible exactly when for every pair i, j: t1_i − s·g_i ≤ t2_j − s·g_j. So the set of feasible slopes is
// the intersection of one interval per pair, and nothing is assumed about the delays within an exchange.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/units.h"
#include "clock/types.h"

namespace ivtrace::clock {

/// One exchange: the guest read `guest` between host times t1 and t2.
struct LinePoint {
  HostTsc t1;
  HostTsc t2;
  GuestTsc guest;
};

/// Every line that fits, in fixed-point numbers.
struct LineFit {
  TscRelation relation;    ///< the middle one; unscaled when speed 1 is among the feasible ones
  std::int64_t lower = 0;  ///< bounds on relation.offset at relation's ratio, in guest ticks
  std::int64_t upper = 0;
  double relative_error = 0;  ///< half the width of the feasible speeds, relative to the speed
};

/// The lines through all `points` (at least two, in the order of their host times); empty when there is none,
/// or when the speed would be outside of 1/16 to 16 (no TSC of one machine is that far from another's).
std::optional<LineFit> fit_line(std::span<const LinePoint> points);

}  // namespace ivtrace::clock
