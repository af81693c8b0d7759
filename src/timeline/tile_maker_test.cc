// Tiles against what a plain loop over the same slices says.
#include "timeline/tile_maker.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <tuple>

namespace ivtrace::timeline {
namespace {

constexpr unsigned kSpanLog2 = 24;  // of the made runs: 16.8 ms
constexpr unsigned kBinsLog2 = 8;

/// Without label: labels of the smaller ones are left out.
using State3 = std::tuple<std::string, std::int32_t>;
using Shares = std::map<std::pair<std::uint32_t, State3>, double>;

class Made {
 public:
  explicit Made(TrackKind kind) : track_(track_of(kind), store_, kSpanLog2 - kBaseBinsLog2) {}

  std::uint32_t category(State state, std::int32_t machine, const std::string& label, std::int32_t tid = -1) {
    return categories_.add(Mark{state, machine, categories_.label(label), tid});
  }
  void add(std::int64_t from, std::int64_t until, std::uint32_t category, const Detail* detail = nullptr) {
    const Slice slice{{from, until}, category, 0, false};
    slices_.push_back(slice);
    track_.add(slice, categories_, detail);
  }
  static TileSpan span(unsigned level, std::uint64_t index) {
    const unsigned tile_log2 = kSpanLog2 - level;
    return {static_cast<std::int64_t>(index << tile_log2), tile_log2 - kBinsLog2};
  }
  TileTrack tile(unsigned level, std::uint64_t index) const {
    return make_tile(track_, categories_, span(level, index), nullptr).value();
  }
  /// Of a counter.
  void add_value(std::int64_t from, std::int64_t until, std::int64_t value) {
    Detail detail;
    detail.value = value;
    add(from, until, category(State::kValue, 1, ""), &detail);
    values_.push_back(value);
  }
  const TrackData& data() const { return track_; }
  const Categories& categories() const { return categories_; }
  const std::vector<Slice>& slices() const { return slices_; }
  const std::vector<std::int64_t>& values() const { return values_; }

  std::vector<Slice> expected_slices(TileSpan of) const {
    std::vector<Slice> all;
    for (const Slice& slice : slices_) {
      const bool begins = slice.from_ns >= of.begin && slice.from_ns < of.end();
      const bool goes_on = slice.from_ns < of.begin && slice.until_ns > of.begin;
      if (begins || goes_on) all.push_back(slice);
    }
    std::ranges::stable_sort(all, {}, &Slice::from_ns);
    return all;
  }
  Shares expected_shares(TileSpan of) const {
    Shares shares;
    const std::int64_t length = std::int64_t{1} << of.bin_log2;
    for (const Slice& slice : slices_) {
      const Mark& mark = categories_[slice.category];
      for (std::uint32_t bin = 0; bin < kBins; ++bin) {
        const std::int64_t begin = of.begin + bin * length;
        const std::int64_t covered =
            std::min(slice.until_ns, begin + length) - std::max(slice.from_ns, begin);
        if (covered > 0) {
          shares[{bin, {to_string(mark.state), mark.machine}}] +=
              static_cast<double>(covered) / static_cast<double>(length);
        }
      }
    }
    return shares;
  }

 private:
  static Track track_of(TrackKind kind) {
    Track track;
    track.kind = kind;
    return track;
  }
  SliceStore store_ = SliceStore::create().value();
  Categories categories_;
  TrackData track_;
  std::vector<Slice> slices_;
  std::vector<std::int64_t> values_;  ///< of a counter, by slice
};

Shares shares_of(const TileTrack& tile) {
  Shares shares;
  for (const TileShare& share : tile.shares) {
    const Category& category = tile.categories[share.category];
    shares[{share.bin, {category.state, category.machine}}] += static_cast<double>(share.share);
  }
  return shares;
}
void expect_near(const Shares& got, const Shares& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (const auto& [key, share] : expected) {
    const auto found = got.find(key);
    ASSERT_NE(found, got.end());
    EXPECT_NEAR(found->second, share, 1e-5 * std::max(1.0, share));
  }
}
void expect_right(const Made& made, unsigned level, std::uint64_t index) {
  const TileSpan span = Made::span(level, index);
  const TileTrack tile = made.tile(level, index);
  const std::vector<Slice> expected = made.expected_slices(span);
  ASSERT_EQ(tile.is_shares, expected.size() > kMaxSlices) << "level " << level;
  if (tile.is_shares) return expect_near(shares_of(tile), made.expected_shares(span));
  ASSERT_EQ(tile.slices.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(tile.slices[i].from_ns, expected[i].from_ns);
    EXPECT_EQ(tile.slices[i].until_ns, expected[i].until_ns);
    const Mark& mark = made.categories()[expected[i].category];
    const Category& category = tile.categories[tile.slices[i].category];
    EXPECT_EQ(category.state, to_string(mark.state));
    EXPECT_EQ(category.machine, mark.machine);
    EXPECT_EQ(category.label, made.categories().text(mark.label));
    EXPECT_EQ(category.tid, mark.tid);
  }
}

/// One behind the other, with holes, long and short ones, of more tasks than have a label of their own.
void add_tasks(Made& made, std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::uint32_t> categories;
  for (std::int32_t i = 0; i < 200; ++i)
    categories.push_back(
        made.category(i % 3 == 0 ? State::kVcpu : State::kHost, i % 2, "t" + std::to_string(i), i));
  const double mean = std::ldexp(1.0, kSpanLog2) / static_cast<double>(count);
  std::lognormal_distribution<double> length(std::log(mean) - 2, 2);
  std::uniform_int_distribution<std::size_t> choose(0, categories.size() - 1);
  std::int64_t at = -1000;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t until = at + static_cast<std::int64_t>(length(random));
    made.add(at, until, categories[choose(random)]);
    at = until + (i % 7 == 0 ? static_cast<std::int64_t>(length(random)) : 0);
  }
}

TEST(TileMaker, TellsWhatAPlainLoopTells) {
  for (const std::size_t count : {0, 1, 500, 3000, 40'000}) {
    Made made(TrackKind::kCpu);
    add_tasks(made, count, static_cast<std::uint32_t>(count) + 1);
    for (const unsigned level : {0u, 1u, 3u, 5u, 6u, 9u, 13u, 16u}) {
      const std::uint64_t tiles = std::uint64_t{1} << level;
      for (const std::uint64_t index : {std::uint64_t{0}, tiles / 3, tiles / 2, tiles - 1})
        expect_right(made, level, index);
    }
  }
}

TEST(TileMaker, RequestsThatOverlapInTheOrderOfTheirEnds) {
  Made made(TrackKind::kDisk);
  std::mt19937 random(5);
  std::uniform_int_distribution<std::int64_t> begin(0, 1 << kSpanLog2), length(0, 1 << 18);
  const std::uint32_t categories[] = {made.category(State::kRead, 1, "fio", 4),
                                      made.category(State::kWrite, 2, "dd", 5)};
  std::vector<query::Span> spans;
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t from = begin(random);
    spans.push_back({from, from + length(random) / (i % 100 == 0 ? 1 : 100)});
  }
  std::ranges::sort(spans, {}, &query::Span::until_ns);
  for (const query::Span& span : spans) made.add(span.from_ns, span.until_ns, categories[span.from_ns % 2]);
  for (const unsigned level : {0u, 4u, 5u, 7u, 10u, 14u}) {
    for (const std::uint64_t index : {0u, 1u, (1u << level) / 2}) {
      if (index < (1u << level)) expect_right(made, level, index);
    }
  }
}

TEST(TileMaker, ChildrenTogetherAreTheirParent) {
  Made made(TrackKind::kCpu);
  add_tasks(made, 60'000, 9);
  for (unsigned level = 0; level < 6; ++level) {
    const std::uint64_t index = (1u << level) / 2;
    const Shares parent = shares_of(made.tile(level, index));
    Shares children;
    for (const std::uint64_t half : {0u, 1u}) {
      const TileTrack child = made.tile(level + 1, 2 * index + half);
      ASSERT_TRUE(child.is_shares);
      for (const auto& [key, share] : shares_of(child))
        children[{static_cast<std::uint32_t>((half * kBins + key.first) / 2), key.second}] += share / 2;
    }
    expect_near(children, parent);
  }
}

TEST(TileMaker, ABinKeepsTheLabelsOfTheGreatest) {
  Made made(TrackKind::kTask);
  // In each bin of level 0 one task has half and 20 have the rest.
  const std::int64_t bin = 1 << (kSpanLog2 - kBinsLog2);
  const std::uint32_t big = made.category(State::kTask, 1, "big", 1);
  for (std::int64_t i = 0; i < kBins; ++i) {
    made.add(i * bin, i * bin + bin / 2, big);
    for (std::int64_t j = 0; j < 20; ++j) {
      const std::int64_t from = i * bin + bin / 2 + j * 1000;
      made.add(from, from + 1000, made.category(State::kTask, 1, "small" + std::to_string(j), 2));
    }
  }
  const TileTrack tile = made.tile(0, 0);
  ASSERT_TRUE(tile.is_shares);
  for (std::uint32_t i = 0; i < kBins; ++i) {
    std::size_t named = 0;
    double rest = 0;
    bool has_big = false;
    for (const TileShare& share : tile.shares) {
      if (share.bin != i) continue;
      const Category& category = tile.categories[share.category];
      EXPECT_EQ(category.tid, -1);
      has_big = has_big || (category.label == "big" && std::abs(share.share - 0.5F) < 1e-4F);
      if (category.label.empty()) rest += static_cast<double>(share.share);
      named += category.label.empty() ? 0 : 1;
    }
    ASSERT_TRUE(has_big);
    ASSERT_EQ(named, 8U);
    ASSERT_NEAR(rest, 13 * 1000.0 / static_cast<double>(bin), 1e-4);
  }
}

/// A value of its own each time, with a hole in the middle of the run.
void add_values(Made& made, std::int64_t count) {
  const std::int64_t length = (std::int64_t{1} << kSpanLog2) / count;
  for (std::int64_t i = 0; i < count; ++i) {
    if (i < count / 3 || i > count / 2) made.add_value(i * length, (i + 1) * length, i * 1000 - 70'000);
  }
}

TEST(TileMaker, ACountersBinsHaveTheMeanHoweverManyValuesThereAre) {
  Made made(TrackKind::kCounter);
  add_values(made, 40'000);
  for (const unsigned level : {0u, 3u, 5u, 6u}) {
    for (const std::uint64_t index : {std::uint64_t{0}, (std::uint64_t{1} << level) - 1}) {
      const TileSpan span = Made::span(level, index);
      const TileTrack tile = made.tile(level, index);
      ASSERT_TRUE(tile.is_shares);
      std::map<std::uint32_t, std::pair<double, double>> got;  // share and mean
      for (const TileShare& share : tile.shares) {
        const Category& category = tile.categories[share.category];
        EXPECT_EQ(category.state, "value");
        const bool is_first =
            got.emplace(share.bin, std::pair(static_cast<double>(share.share), std::stod(category.label)))
                .second;
        EXPECT_TRUE(is_first) << "one for each bin";
      }
      const double length = std::ldexp(1.0, static_cast<int>(span.bin_log2));
      for (std::uint32_t bin = 0; bin < kBins; ++bin) {
        const std::int64_t begin = span.begin + (std::int64_t{bin} << span.bin_log2);
        const std::int64_t end = begin + (std::int64_t{1} << span.bin_log2);
        double ns = 0, sum = 0;
        for (std::size_t i = 0; i < made.slices().size(); ++i) {
          const auto within = static_cast<double>(std::min(made.slices()[i].until_ns, end) -
                                                  std::max(made.slices()[i].from_ns, begin));
          if (within <= 0) continue;
          ns += within;
          sum += within * static_cast<double>(made.values()[i]);
        }
        ASSERT_EQ(got.contains(bin), ns > 0);
        if (ns == 0) continue;
        ASSERT_NEAR(got[bin].first, ns / length, 1e-5);
        ASSERT_NEAR(got[bin].second, sum / ns, 1e-7 * 4e7);
      }
    }
  }
}

TEST(TileMaker, ACountersSlicesHaveTheirValues) {
  Made made(TrackKind::kCounter);
  add_values(made, 40'000);
  const TileTrack tile = made.tile(9, 0);
  ASSERT_FALSE(tile.is_shares);
  ASSERT_GT(tile.slices.size(), 50u);
  for (std::size_t i = 0; i < tile.slices.size(); ++i) {
    EXPECT_EQ(tile.categories[tile.slices[i].category].label, std::to_string(made.values()[i]));
    EXPECT_EQ(tile.slices[i].row, 0u);
  }
}

TEST(TileMaker, TimesThatMakeNoSenseBreakNothing) {
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  for (const TrackKind kind : {TrackKind::kTask, TrackKind::kDisk}) {
    Made made(kind);
    const std::uint32_t category = made.category(State::kTask, 1, "x");
    for (int i = 0; i < 600; ++i) {
      made.add(kMin, kMax, category);
      made.add(kMax, kMin, category);
      made.add(100, 50, category);
      made.add(-7, -3, category);
      made.add(kMax - 1, kMax, category);
    }
    for (const unsigned level : {0u, 3u, 10u, 16u}) {
      const TileTrack tile = made.tile(level, 0);
      ASSERT_TRUE(tile.is_shares);
      for (const TileShare& share : tile.shares) EXPECT_FLOAT_EQ(share.share, 600);
    }
  }
}

TEST(TileMaker, ARequestHasItsRowAndPhases) {
  Made made(TrackKind::kDisk);
  const std::uint32_t category = made.category(State::kRead, 1, "fio", 4);
  for (std::int64_t i = 0; i < 2000; ++i) {
    Detail detail;
    detail.row = static_cast<std::uint64_t>(i) + 1;
    detail.request = static_cast<std::uint64_t>(i) * 2;
    detail.phases = 3;
    detail.kinds = {0, 4, 9};
    detail.ends = {i * 4000 + 10, i * 4000 + 30};
    made.add(i * 4000, i * 4000 + 100, category, &detail);
  }
  const TileTrack tile = made.tile(6, 3);  // of the stored ones; the last are in memory
  const TileTrack last = made.tile(6, 30);
  for (const TileTrack* each : {&tile, &last}) {
    ASSERT_FALSE(each->slices.empty());
    ASSERT_EQ(each->phases.size(), each->slices.size());
    for (std::size_t i = 0; i < each->slices.size(); ++i) {
      const std::int64_t from = each->slices[i].from_ns;
      EXPECT_EQ(each->slices[i].row, static_cast<std::uint64_t>(from / 4000) + 1);
      EXPECT_EQ(each->slices[i].request, static_cast<std::uint64_t>(from / 4000) * 2);
      ASSERT_EQ(each->phases[i].size(), 3U);
      EXPECT_EQ(each->phases[i][0].kind, 0U);
      EXPECT_EQ(each->phases[i][0].span.until_ns, from + 10);
      EXPECT_EQ(each->phases[i][1].kind, 4U);
      EXPECT_EQ(each->phases[i][1].span.from_ns, from + 10);
      EXPECT_EQ(each->phases[i][2].span.from_ns, from + 30);
      EXPECT_EQ(each->phases[i][2].span.until_ns, from + 100);
    }
  }
}

TEST(TileMaker, ATrackThatIsClearedIsAsNew) {
  Made made(TrackKind::kDisk);
  const std::uint32_t category = made.category(State::kRead, 1, "fio", 4);
  for (std::int64_t i = 0; i < 3000; ++i) made.add(0, 1 << kSpanLog2, category);
  const_cast<TrackData&>(made.data()).clear();
  EXPECT_TRUE(made.tile(0, 0).slices.empty());
  EXPECT_FALSE(made.tile(0, 0).is_shares);
  EXPECT_EQ(made.data().track.lanes, 1U);
}

TEST(TileMaker, IsStopped) {
  Made made(TrackKind::kCpu);
  add_tasks(made, 10'000, 3);
  const std::atomic<bool> stop{true};
  const auto tile = make_tile(made.data(), made.categories(), Made::span(0, 0), &stop);
  ASSERT_FALSE(tile.ok());
  EXPECT_EQ(tile.error().code, ErrorCode::kTimeout);
}

}  // namespace
}  // namespace ivtrace::timeline
