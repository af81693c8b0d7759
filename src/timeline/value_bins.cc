#include "timeline/value_bins.h"

#include <algorithm>

namespace ivtrace::timeline {

void ValueBins::add(std::int64_t value, query::Span times) {
  const std::int64_t length = std::int64_t{1} << bin_log2_;
  const std::int64_t until = std::min(times.until_ns, static_cast<std::int64_t>(kBaseBins) << bin_log2_);
  for (std::int64_t from = std::max<std::int64_t>(times.from_ns, 0); from < until;) {
    const auto bin = static_cast<std::uint64_t>(from) >> bin_log2_;
    const std::int64_t end = std::min(until, (from & ~(length - 1)) + length);
    std::unique_ptr<Page>& page = pages_[bin / kPage];
    if (page == nullptr) page = std::make_unique<Page>();
    (*page)[bin % kPage].add(value, end - from);
    from = end;
  }
}

ValueSum ValueBins::sum(std::uint64_t first, std::uint64_t count) const {
  ValueSum sum;
  for (std::uint64_t bin = first; bin < first + count; ++bin) {
    if (const auto& page = pages_[bin / kPage]; page != nullptr) sum += (*page)[bin % kPage];
  }
  return sum;
}

}  // namespace ivtrace::timeline
