// What a track shows when its slices are too many: how much time each of its series has in each stretch.
//
// A series is what slices have in common that are shown as one: state, machine, label. A track has its first
// kMaxLabelled series with their labels; of further ones only state and machine. (Disks have no labels here.)
//
// The run is cut into kBaseBins stretches of equal length, and for each series and stretch there is a sum.
// All tiles whose bins are no shorter are made of these sums alone, however long the run.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "query/row_file.h"
#include "timeline/category.h"

namespace ivtrace::timeline {

inline constexpr unsigned kBaseBinsLog2 = 13;
inline constexpr std::uint64_t kBaseBins = std::uint64_t{1} << kBaseBinsLog2;

/// Which series a track has, and which one a category belongs to. One thread, or any while nothing is added.
class SeriesList {
 public:
  explicit SeriesList(bool labelled) : labelled_(labelled) {}

  std::uint16_t of(std::uint32_t category, const Categories& categories) {
    const Recent& recent = recent_[category % kRecent];
    return recent.category == category ? recent.series : find(category, categories);
  }
  /// Of a category that of() was asked for before.
  std::uint16_t known(std::uint32_t category) const { return by_category_.at(category); }
  /// Without thread.
  const Mark& operator[](std::uint16_t series) const { return marks_[series]; }
  std::size_t size() const { return marks_.size(); }

  static constexpr std::size_t kMaxLabelled = 64;

 private:
  struct Recent {
    std::uint32_t category = ~0u;
    std::uint16_t series = 0;
  };
  static constexpr std::size_t kRecent = 16;
  static constexpr std::size_t kMax = 1024;
  std::uint16_t find(std::uint32_t category, const Categories& categories);
  std::uint16_t add(Mark mark);

  bool labelled_;
  std::vector<Mark> marks_;
  std::unordered_map<Mark, std::uint16_t, MarkHash> by_mark_;
  std::unordered_map<std::uint32_t, std::uint16_t> by_category_;
  std::array<Recent, kRecent> recent_;
};

/// The sums. One thread, or any while nothing is added.
class BaseBins {
 public:
  /// A bin is 2^`bin_log2` ns long.
  explicit BaseBins(unsigned bin_log2) : bin_log2_(bin_log2) {}

  /// Times outside of the bins do not count.
  void add(std::uint16_t series, query::Span times) {
    const std::int64_t end = static_cast<std::int64_t>(kBaseBins) << bin_log2_;
    const std::int64_t from = std::max<std::int64_t>(times.from_ns, 0);
    const std::int64_t until = std::min(times.until_ns, end);
    if (from >= until) return;
    const auto first = static_cast<std::uint64_t>(from) >> bin_log2_;
    const auto last = static_cast<std::uint64_t>(until - 1) >> bin_log2_;
    if (first == last) [[likely]] {
      slot(series, first) += static_cast<std::uint64_t>(until - from);
    } else {
      add_to_several(series, from, until);
    }
  }
  /// Of `count` bins from `first` on together.
  std::uint64_t sum(std::uint16_t series, std::uint64_t first, std::uint64_t count) const;
  unsigned bin_log2() const { return bin_log2_; }

 private:
  static constexpr std::size_t kPage = 64;  // bins; most series are about a short part of the run
  using Page = std::array<std::uint64_t, kPage>;
  using Pages = std::array<std::unique_ptr<Page>, kBaseBins / kPage>;

  std::uint64_t& slot(std::uint16_t series, std::uint64_t bin) {
    if (series >= series_.size() || series_[series] == nullptr) make(series);
    std::unique_ptr<Page>& page = (*series_[series])[bin / kPage];
    if (page == nullptr) page = std::make_unique<Page>();
    return (*page)[bin % kPage];
  }
  void make(std::uint16_t series);
  void add_to_several(std::uint16_t series, std::int64_t from, std::int64_t until);

  unsigned bin_log2_;
  std::vector<std::unique_ptr<Pages>> series_;
};

}  // namespace ivtrace::timeline
