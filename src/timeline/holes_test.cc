#include "timeline/holes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace ivtrace::timeline {

bool operator==(const Hole& a, const Hole& b) { return a.from_ns == b.from_ns && a.until_ns == b.until_ns; }

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

query::LossRow loss(std::int64_t from, std::int64_t until, std::uint32_t machine,
                    std::optional<std::uint32_t> cpu) {
  query::LossRow row;
  row.from_ns = from;
  row.until_ns = until;
  row.machine = machine;
  row.has_cpu = cpu.has_value();
  row.cpu = cpu.value_or(0);
  row.has_place = true;
  return row;
}
std::vector<Hole> ask(const Holes& holes, std::uint32_t machine, std::optional<std::uint32_t> cpu,
                      std::int64_t begin = 0, unsigned bin_log2 = 4) {
  return holes_of(holes.bins(machine, cpu, begin, bin_log2), begin, bin_log2);
}

TEST(Holes, AreOfTheirCpuOrOfAny) {
  Holes holes;
  holes.add(loss(100, 110, 0, 1));
  holes.add(loss(200, 210, 0, 2));
  holes.add(loss(300, 310, 0, std::nullopt));
  holes.add(loss(400, 410, 1, 1));
  EXPECT_THAT(ask(holes, 0, 1), ElementsAre(Hole{96, 112}, Hole{288, 320}));
  EXPECT_THAT(ask(holes, 0, std::nullopt), ElementsAre(Hole{96, 112}, Hole{192, 224}, Hole{288, 320}));
  EXPECT_THAT(ask(holes, 1, 1), ElementsAre(Hole{400, 416}));
  EXPECT_THAT(ask(holes, 2, 1), IsEmpty());
}

TEST(Holes, AreABinLongAtLeastAndJoined) {
  Holes holes;
  holes.add(loss(17, 17, 0, 0));
  holes.add(loss(32, 33, 0, 0));
  holes.add(loss(60, 70, 0, 0));
  EXPECT_THAT(ask(holes, 0, 0), ElementsAre(Hole{16, 80}));
}

TEST(Holes, ReachFromBeforeTheTileToTheEndOfTime) {
  Holes holes;
  holes.add(loss(-50, 20, 0, 0));
  holes.add(loss(4000, std::numeric_limits<std::int64_t>::max(), 0, 0));
  EXPECT_THAT(ask(holes, 0, 0), ElementsAre(Hole{0, 32}, Hole{4000, 4096}));
  EXPECT_THAT(ask(holes, 0, 0, 8192), ElementsAre(Hole{8192, 8192 + 4096}));
}

TEST(Holes, WithoutAPlaceThereIsNone) {
  Holes holes;
  query::LossRow row = loss(0, 1000, 0, 0);
  row.has_place = false;
  holes.add(row);
  EXPECT_THAT(ask(holes, 0, 0), IsEmpty());
}

TEST(Holes, MoreThanThereIsRoomForAreOneWithTheLast) {
  Holes holes;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(Holes::kMax) + 10; ++i)
    holes.add(loss(i * 1000, i * 1000 + 1, 0, 0));
  const std::int64_t at = static_cast<std::int64_t>(Holes::kMax) * 1000;
  EXPECT_THAT(ask(holes, 0, 0, at, 0), ElementsAre(Hole{at, at + kBins}));
}

}  // namespace
}  // namespace ivtrace::timeline
