// The stretches of time in which events of the host were lost.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "base/units.h"
#include "merge/stream.h"

namespace ivtrace::model {

/// Added in any order, then joined, then asked. One thread.
class LostRanges {
 public:
  void add(const merge::LossMarker& loss) {
    ranges_.emplace_back(loss.from, std::max(loss.from, loss.until.value_or(merge::kEndOfTime)));
  }
  /// Brings them into rising order, apart from each other.
  void join() {
    std::sort(ranges_.begin(), ranges_.end());
    std::vector<std::pair<HostTsc, HostTsc>> joined;
    for (const auto& range : ranges_) {
      if (!joined.empty() && range.first <= joined.back().second) {
        joined.back().second = std::max(joined.back().second, range.second);
      } else {
        joined.push_back(range);
      }
    }
    ranges_ = std::move(joined);
  }
  bool empty() const { return ranges_.empty(); }

  /// For rising times.
  bool covers(HostTsc time) {
    while (next_ < ranges_.size() && ranges_[next_].second < time) ++next_;
    return next_ < ranges_.size() && ranges_[next_].first <= time;
  }
  bool meets(HostTsc from, HostTsc until) const {
    const auto range = first_behind(from);
    return range != ranges_.end() && range->first < until;
  }
  /// Calls `keep(from, until)` for each part of a stretch that no range covers.
  template <class Keep>
  void spare(HostTsc from, HostTsc until, Keep&& keep) const {
    for (auto range = first_behind(from); range != ranges_.end() && range->first < until; ++range) {
      if (from < range->first) keep(from, range->first);
      from = range->second;
    }
    if (from < until) keep(from, until);
  }

 private:
  using Ranges = std::vector<std::pair<HostTsc, HostTsc>>;
  /// The first one that ends behind `time`.
  Ranges::const_iterator first_behind(HostTsc time) const {
    return std::upper_bound(ranges_.begin(), ranges_.end(), time,
                            [](HostTsc at, const auto& range) { return at < range.second; });
  }

  Ranges ranges_;
  std::size_t next_ = 0;
};

}  // namespace ivtrace::model
