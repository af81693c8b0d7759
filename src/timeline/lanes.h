// Slices that overlap lie above each other: which lane has one?
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "query/row_file.h"

namespace ivtrace::timeline {

/// Gives lanes to slices that come in the order of their ends, or nearly so. The lane that has been free for
/// the shortest time is taken, which needs no more lanes than slices lie above each other. A lane knows its
/// last few slices, so that one that comes late finds a gap. Beyond kMax lanes the last one is shared. One
/// thread.
class Lanes {
 public:
  std::uint16_t place(const query::Span& times) {
    std::size_t best = lanes_.size();
    std::int64_t best_end = std::numeric_limits<std::int64_t>::min();
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      const Fit fit = fit_of(lanes_[i], times);
      if (fit.fits && (best == lanes_.size() || fit.end > best_end)) {
        best = i;
        best_end = fit.end;
      }
    }
    if (best == lanes_.size()) {
      if (best < kMax) {
        lanes_.emplace_back();
      } else {
        best = kMax - 1;
      }
    }
    put(lanes_[best], times);
    return static_cast<std::uint16_t>(best);
  }
  std::uint32_t count() const {
    return std::max<std::uint32_t>(1, static_cast<std::uint32_t>(lanes_.size()));
  }

  static constexpr std::size_t kMax = 64;

 private:
  static constexpr std::size_t kKnown = 8;
  struct Lane {
    std::array<query::Span, kKnown> last;
    std::size_t count = 0;
    /// The end of what it knows no more.
    std::int64_t known_from = std::numeric_limits<std::int64_t>::min();
  };
  struct Fit {
    bool fits = false;
    std::int64_t end = 0;  ///< of the slice before it
  };
  static Fit fit_of(const Lane& lane, const query::Span& times) {
    if (times.from_ns < lane.known_from) return {};
    Fit fit{true, lane.known_from};
    for (std::size_t i = 0; i < std::min(lane.count, kKnown); ++i) {
      const query::Span& other = lane.last[i];
      if (other.from_ns < times.until_ns && times.from_ns < other.until_ns) return {};
      if (other.until_ns <= times.from_ns) fit.end = std::max(fit.end, other.until_ns);
    }
    return fit;
  }
  static void put(Lane& lane, const query::Span& times) {
    query::Span& place = lane.last[lane.count % kKnown];
    if (lane.count >= kKnown) lane.known_from = std::max(lane.known_from, place.until_ns);
    place = times;
    ++lane.count;
  }

  std::vector<Lane> lanes_;
};

}  // namespace ivtrace::timeline
