#include "timeline/lanes.h"

#include <gtest/gtest.h>

#include <random>

namespace ivtrace::timeline {
namespace {

struct Placed : query::Span {
  std::uint16_t lane = 0;
};

/// How many of them lie above each other at most.
std::size_t depth_of(const std::vector<query::Span>& all) {
  std::size_t depth = 0;
  for (const query::Span& at : all) {
    depth = std::max<std::size_t>(depth, std::ranges::count_if(all, [&](const query::Span& each) {
                                    return each.from_ns <= at.from_ns && at.from_ns < each.until_ns;
                                  }));
  }
  return depth;
}
void expect_apart(const std::vector<Placed>& all) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const bool overlap = all[i].from_ns < all[j].until_ns && all[j].from_ns < all[i].until_ns;
      EXPECT_FALSE(overlap && all[i].lane == all[j].lane) << i << " and " << j;
    }
  }
}
std::vector<query::Span> random_spans(std::mt19937& random, std::size_t count) {
  std::uniform_int_distribution<std::int64_t> begin(0, 5000), length(1, 200);
  std::vector<query::Span> spans;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t from = begin(random);
    spans.push_back({from, from + length(random)});
  }
  return spans;
}

TEST(Lanes, SlicesInTheOrderOfTheirEndsNeedAsManyAsLieAboveEachOther) {
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    std::vector<query::Span> spans = random_spans(random, 150);
    std::ranges::sort(spans, {}, &query::Span::until_ns);
    Lanes lanes;
    std::vector<Placed> placed;
    for (const query::Span& span : spans) placed.push_back({span, lanes.place(span)});
    expect_apart(placed);
    EXPECT_EQ(lanes.count(), depth_of(spans));
  }
}

TEST(Lanes, SlicesInAnyOrderDoNotOverlapInALane) {
  std::mt19937 random(2);
  for (int round = 0; round < 20; ++round) {
    Lanes lanes;
    std::vector<Placed> placed;
    for (const query::Span& span : random_spans(random, 60)) placed.push_back({span, lanes.place(span)});
    ASSERT_LT(lanes.count(), Lanes::kMax);
    expect_apart(placed);
  }
}

TEST(Lanes, ASliceThatComesLateFindsItsGap) {
  Lanes lanes;
  EXPECT_EQ(lanes.place({0, 10}), 0);
  EXPECT_EQ(lanes.place({20, 30}), 0);
  EXPECT_EQ(lanes.place({12, 18}), 0);
  EXPECT_EQ(lanes.place({15, 25}), 1);
}

TEST(Lanes, TheyAreNotWithoutEnd) {
  Lanes lanes;
  for (int i = 0; i < 1000; ++i) EXPECT_LT(lanes.place({0, 100}), Lanes::kMax);
  EXPECT_EQ(lanes.count(), Lanes::kMax);
}

}  // namespace
}  // namespace ivtrace::timeline
