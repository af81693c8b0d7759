#include "timeline/holes.h"

#include <algorithm>

namespace ivtrace::timeline {

void Holes::add(const query::LossRow& loss) {
  if (!loss.has_place) return;
  Ranges& ranges = by_cpu_[{loss.machine, loss.has_cpu ? std::int64_t{loss.cpu} : kAnyCpu}];
  query::Span range{loss.from_ns, std::max(loss.from_ns, loss.until_ns)};
  if (!ranges.empty()) range.until_ns = std::max(range.until_ns, ranges.back().until_ns);
  if (ranges.size() < kMax) {
    ranges.push_back(range);
  } else {
    ranges.back() = {std::min(ranges.back().from_ns, range.from_ns), range.until_ns};
  }
}

Holes::Bins Holes::bins(std::uint32_t machine, std::optional<std::uint32_t> cpu, std::int64_t begin,
                        unsigned bin_log2) const {
  Bins bins;
  for (auto range = by_cpu_.lower_bound({machine, kAnyCpu});
       range != by_cpu_.end() && range->first.first == machine; ++range) {
    const std::int64_t of = range->first.second;
    if (!cpu || of == kAnyCpu || of == std::int64_t{*cpu}) mark(range->second, begin, bin_log2, bins);
  }
  return bins;
}

void Holes::mark(const Ranges& ranges, std::int64_t begin, unsigned bin_log2, Bins& bins) {
  const std::int64_t end = begin + (static_cast<std::int64_t>(kBins) << bin_log2);
  auto range = std::ranges::lower_bound(ranges, begin, {}, &query::Span::until_ns);
  for (; range != ranges.end() && range->from_ns < end; ++range) {
    const auto first = (std::max(range->from_ns, begin) - begin) >> bin_log2;
    const auto last = (std::min(range->until_ns, end - 1) - begin) >> bin_log2;
    for (std::int64_t bin = first; bin <= last; ++bin) bins.set(static_cast<std::size_t>(bin));
  }
}

std::vector<Hole> holes_of(const Holes::Bins& bins, std::int64_t begin, unsigned bin_log2) {
  std::vector<Hole> holes;
  for (std::size_t i = 0; i < kBins; ++i) {
    if (!bins[i]) continue;
    const std::int64_t from = begin + (static_cast<std::int64_t>(i) << bin_log2);
    const std::int64_t until = from + (std::int64_t{1} << bin_log2);
    if (!holes.empty() && holes.back().until_ns == from) {
      holes.back().until_ns = until;
    } else {
      holes.push_back({from, until});
    }
  }
  return holes;
}

}  // namespace ivtrace::timeline
