#include "timeline/series.h"

#include <algorithm>

namespace ivtrace::timeline {

std::uint16_t SeriesList::find(std::uint32_t category, const Categories& categories) {
  const auto found = by_category_.find(category);
  std::uint16_t series = 0;
  if (found != by_category_.end()) {
    series = found->second;
  } else {
    Mark mark = categories[category];
    mark.tid = -1;
    if (!labelled_) mark.label = 0;
    series = add(mark);
    by_category_.emplace(category, series);
  }
  recent_[category % kRecent] = {category, series};
  return series;
}

std::uint16_t SeriesList::add(Mark mark) {
  if (const auto found = by_mark_.find(mark); found != by_mark_.end()) return found->second;
  Mark wanted = mark;
  if (marks_.size() >= kMaxLabelled) wanted.label = 0;
  // States times machines are few, but the machines are the journal's word.
  if (marks_.size() >= kMax) wanted.machine = -1;
  if (wanted != mark) return add(wanted);
  marks_.push_back(mark);
  const auto series = static_cast<std::uint16_t>(marks_.size() - 1);
  by_mark_.emplace(mark, series);
  return series;
}

void BaseBins::make(std::uint16_t series) {
  if (series >= series_.size()) series_.resize(series + 1u);
  if (series_[series] == nullptr) series_[series] = std::make_unique<Pages>();
}

void BaseBins::add_to_several(std::uint16_t series, std::int64_t from, std::int64_t until) {
  const std::int64_t length = std::int64_t{1} << bin_log2_;
  while (from < until) {
    const std::int64_t end = std::min(until, (from & ~(length - 1)) + length);
    slot(series, static_cast<std::uint64_t>(from) >> bin_log2_) += static_cast<std::uint64_t>(end - from);
    from = end;
  }
}

std::uint64_t BaseBins::sum(std::uint16_t series, std::uint64_t first, std::uint64_t count) const {
  if (series >= series_.size() || series_[series] == nullptr) return 0;
  std::uint64_t sum = 0;
  for (std::uint64_t bin = first; bin < first + count;) {
    const std::uint64_t end = std::min(first + count, (bin / kPage + 1) * kPage);
    if (const auto& page = (*series_[series])[bin / kPage]; page != nullptr) {
      for (std::uint64_t i = bin; i < end; ++i) sum += (*page)[i % kPage];
    }
    bin = end;
  }
  return sum;
}

}  // namespace ivtrace::timeline
