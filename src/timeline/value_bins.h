// What a counter's track shows when its values are too many: the mean of each stretch.
//
// Values are not series (series.h): a counter may have a different one each time. So of the same stretches
// there is the sum of value times time, and the time in which there was a value.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "query/row_file.h"
#include "timeline/series.h"

namespace ivtrace::timeline {

/// Of one stretch, or several.
struct ValueSum {
  double weighted = 0;   ///< value times ns
  std::uint64_t ns = 0;  ///< with a value

  void add(std::int64_t value, std::int64_t length_ns) {
    weighted += static_cast<double>(value) * static_cast<double>(length_ns);
    ns += static_cast<std::uint64_t>(length_ns);
  }
  ValueSum& operator+=(const ValueSum& other) {
    weighted += other.weighted;
    ns += other.ns;
    return *this;
  }
};

/// The sums of kBaseBins stretches. One thread, or any while nothing is added.
class ValueBins {
 public:
  /// A bin is 2^`bin_log2` ns long.
  explicit ValueBins(unsigned bin_log2) : bin_log2_(bin_log2) {}

  /// The counter had the value that long. Times outside of the bins do not count.
  void add(std::int64_t value, query::Span times);
  /// Of `count` bins from `first` on together.
  ValueSum sum(std::uint64_t first, std::uint64_t count) const;

 private:
  static constexpr std::size_t kPage = 64;  // bins
  using Page = std::array<ValueSum, kPage>;

  unsigned bin_log2_;
  std::array<std::unique_ptr<Page>, kBaseBins / kPage> pages_;
};

}  // namespace ivtrace::timeline
