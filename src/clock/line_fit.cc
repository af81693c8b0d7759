#include "clock/line_fit.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "clock/relation.h"

namespace ivtrace::clock {
namespace {

constexpr std::uint32_t kFitFracBits = 48;  // VMX's own resolution
constexpr long double kSlowest = 1.0L / 16;
constexpr long double kFastest = 16.0L;

// Differences of 64-bit counters, exact in long double's 64-bit mantissa.
long double difference(std::uint64_t later, std::uint64_t earlier) {
  return later >= earlier ? static_cast<long double>(later - earlier)
                          : -static_cast<long double>(earlier - later);
}

struct Slopes {  // host ticks per guest tick
  long double low = 1 / kFastest;
  long double high = 1 / kSlowest;
};

std::optional<Slopes> feasible_slopes(std::span<const LinePoint> points) {
  Slopes slopes;
  for (std::size_t j = 1; j < points.size(); ++j) {
    for (std::size_t i = 0; i < j; ++i) {
      const long double guest = difference(points[j].guest.value, points[i].guest.value);
      if (guest <= 0) return std::nullopt;  // a clock that stands still or runs backwards is no line
      slopes.low = std::max(slopes.low, difference(points[j].t1.value, points[i].t2.value) / guest);
      slopes.high = std::min(slopes.high, difference(points[j].t2.value, points[i].t1.value) / guest);
    }
  }
  if (slopes.low > slopes.high) return std::nullopt;
  return slopes;
}

}  // namespace

std::optional<LineFit> fit_line(std::span<const LinePoint> points) {
  if (points.size() < 2) return std::nullopt;
  const auto slopes = feasible_slopes(points);
  if (!slopes) return std::nullopt;
  LineFit fit;
  const long double middle = (slopes->low + slopes->high) / 2;
  fit.relative_error = static_cast<double>((slopes->high - slopes->low) / 2 / middle);
  if (slopes->low > 1 || slopes->high < 1) {
    fit.relation.frac_bits = kFitFracBits;
    fit.relation.ratio = static_cast<std::uint64_t>(std::llroundl(std::ldexp(1 / middle, kFitFracBits)));
  }
  fit.lower = std::numeric_limits<std::int64_t>::min();
  fit.upper = std::numeric_limits<std::int64_t>::max();
  for (const LinePoint& point : points) {
    fit.lower = std::max(fit.lower,
                         static_cast<std::int64_t>(point.guest.value - scale(fit.relation, point.t2.value)));
    fit.upper = std::min(fit.upper,
                         static_cast<std::int64_t>(point.guest.value - scale(fit.relation, point.t1.value)));
  }
  // Rounding the ratio may cost a tick at the ends of a feasible set that is a single line.
  if (fit.lower > fit.upper) std::swap(fit.lower, fit.upper);
  fit.relation.offset =
      fit.lower + static_cast<std::int64_t>(
                      (static_cast<std::uint64_t>(fit.upper) - static_cast<std::uint64_t>(fit.lower)) / 2);
  return fit;
}

}  // namespace ivtrace::clock
