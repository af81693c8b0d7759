// A histogram of durations in bounded memory: each power of two is cut into 32 parts, so a quantile is at
// most 1/32 above the truth.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace ivtrace::model {

/// Counts values of any size. A plain value.
class Histogram {
 public:
  void add(std::uint64_t value) {
    ++buckets_[bucket_of(value)];
    ++count_;
    max_ = std::max(max_, value);
  }
  std::uint64_t count() const { return count_; }
  std::uint64_t max() const { return max_; }
  /// A value that the share `q` (0 to 1) of all values does not exceed; 0 when there are none.
  std::uint64_t quantile(double q) const {
    const auto wanted = static_cast<std::uint64_t>(q * static_cast<double>(count_) + 0.999999);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size() && count_ > 0; ++i) {
      seen += buckets_[i];
      if (seen >= std::max<std::uint64_t>(wanted, 1)) return std::min(upper_bound(i), max_);
    }
    return max_;
  }

 private:
  static constexpr unsigned kPartBits = 5;
  static constexpr std::uint64_t kParts = 1u << kPartBits;

  static std::size_t bucket_of(std::uint64_t value) {
    if (value < kParts) return value;
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - kPartBits - 1;
    return shift * kParts + (value >> shift);
  }
  /// The largest value of that bucket.
  static std::uint64_t upper_bound(std::size_t bucket) {
    if (bucket < kParts) return bucket;
    const std::size_t shift = bucket / kParts - 1;
    const std::uint64_t part = bucket - shift * kParts;
    return ((part + 1) << shift) - 1;
  }

  std::array<std::uint32_t, (64 - kPartBits + 1) * kParts> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace ivtrace::model
