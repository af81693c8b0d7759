#include "model/exits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "model/model_test_support.h"

namespace ivtrace::model {
namespace {

constexpr std::uint64_t kStart = 2'000'000;

TEST(Exits, HaveReasonsByNameAndTimesUntilTheNextEntry) {
  MadeRun made;
  made.entry(kStart);
  made.guest(kStart + 10, 1, 77);
  made.exit(kStart + 100, 0x78);
  made.entry(kStart + 350);
  made.exit(kStart + 400, 0x400);
  made.entry(kStart + 410);
  made.exit(kStart + 500, 0x78);
  made.entry(kStart + 600);
  made.exit(kStart + 700, 0x999);
  const run::RunReader run = made.open();
  const auto measured = measure_exits(run);
  ASSERT_TRUE(measured.ok());
  ASSERT_EQ(measured->vcpus.size(), 1u);
  const VcpuExits& vcpu = measured->vcpus.front();
  EXPECT_EQ(vcpu.in_guest, 100u + 50 + 90 + 100);
  EXPECT_EQ(vcpu.on_host, 250u + 10 + 100);
  ASSERT_EQ(vcpu.reasons.size(), 3u);
  const ExitReason& halts = vcpu.reasons.at(0x78);
  EXPECT_EQ(halts.name, "hlt");
  EXPECT_EQ(halts.times.count(), 2u);
  EXPECT_EQ(halts.total, 350u);
  EXPECT_EQ(halts.times.max(), 250u);
  EXPECT_EQ(halts.longest_at, HostTsc(kStart + 100));
  EXPECT_EQ(halts.tasks, (std::map<std::int32_t, std::uint64_t>{{77, 2}}));
  EXPECT_EQ(vcpu.reasons.at(0x400).name, "npf");
  EXPECT_EQ(vcpu.reasons.at(0x999).name, "0x999");
  EXPECT_EQ(vcpu.reasons.at(0x999).unfinished, 1u);
}

TEST(Exits, NoTimeIsToldAcrossLostEvents) {
  MadeRun made;
  made.entry(kStart);
  made.exit(kStart + 100);
  made.lose();
  made.entry(kStart + 5000);
  made.exit(kStart + 5100);
  made.entry(kStart + 5200);
  const run::RunReader run = made.open();
  const auto measured = measure_exits(run);
  ASSERT_TRUE(measured.ok());
  const ExitReason& halts = measured->vcpus.front().reasons.at(0x78);
  EXPECT_EQ(halts.total, 100u);
  EXPECT_EQ(halts.unfinished, 1u);
  EXPECT_EQ(measured->vcpus.front().in_guest, 200u);
}

TEST(Histogram, QuantilesAreAtMostAThirtySecondAboveTheTruth) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 50; ++round) {
    Histogram histogram;
    std::vector<std::uint64_t> values(1 + random() % 500);
    for (std::uint64_t& value : values) histogram.add(value = random() >> (random() % 64));
    std::sort(values.begin(), values.end());
    for (const double q : {0.0, 0.5, 0.99, 1.0}) {
      const auto rank =
          static_cast<std::size_t>(std::max(1.0, std::ceil(q * static_cast<double>(values.size()) - 1e-6)));
      const std::uint64_t truth = values[rank - 1];
      EXPECT_GE(histogram.quantile(q), truth) << q << " of " << values.size();
      EXPECT_LE(histogram.quantile(q) - truth, truth / 32 + 1);
    }
    EXPECT_EQ(histogram.max(), values.back());
  }
  EXPECT_EQ(Histogram().quantile(0.5), 0u);
}

}  // namespace
}  // namespace ivtrace::model
