// Where a run's events were lost, by machine and CPU.
#pragma once

#include <bitset>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "query/row_kinds.h"
#include "timeline/tile.h"

namespace ivtrace::timeline {

/// One thread adds; any may read while nothing is added.
class Holes {
 public:
  using Bins = std::bitset<kBins>;

  /// Of losses that have a place.
  void add(const query::LossRow& loss);
  void clear() { by_cpu_.clear(); }

  /// Which of kBins bins of 2^`bin_log2` ns from `begin` on have a hole of that CPU's, or of any CPU's when
  /// none is named.
  Bins bins(std::uint32_t machine, std::optional<std::uint32_t> cpu, std::int64_t begin,
            unsigned bin_log2) const;

  /// So many are kept apart for each CPU; further ones are one with the last.
  static constexpr std::size_t kMax = 1u << 18;
  /// The CPU of what may be any's.
  static constexpr std::int64_t kAnyCpu = -1;

 private:
  /// In the order of their ends.
  using Ranges = std::vector<query::Span>;
  static void mark(const Ranges& ranges, std::int64_t begin, unsigned bin_log2, Bins& bins);

  std::map<std::pair<std::uint32_t, std::int64_t>, Ranges> by_cpu_;
};

/// Runs of set bins, joined.
std::vector<Hole> holes_of(const Holes::Bins& bins, std::int64_t begin, unsigned bin_log2);

}  // namespace ivtrace::timeline
