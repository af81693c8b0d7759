#include "clock/clock_map.h"

#include <gtest/gtest.h>
#include <time.h>

#include <cstdlib>
#include <random>

#include "clock/anchors.h"
#include "clock/relation.h"

namespace ivtrace::clock {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// 2.5 GHz: 5 ticks are 2 ns.
Anchor anchor_at(std::int64_t ns, std::int64_t wall_step = 0) {
  Anchor anchor;
  anchor.tsc = HostTsc(1'000'000 + static_cast<std::uint64_t>(ns) / 2 * 5);
  anchor.bracket = 100;
  anchor.monotonic_raw = Nanoseconds(50 * kSecond + ns);
  anchor.monotonic = anchor.monotonic_raw;
  anchor.realtime = Nanoseconds(1'700'000'000 * kSecond + ns + wall_step);
  anchor.maxerror_us = 16000;
  return anchor;
}

HostClock clock_of(std::vector<Anchor> anchors, std::uint64_t khz = 0) {
  const HostTsc start = anchors.front().tsc;
  auto clock = HostClock::create(std::move(anchors), start, khz);
  EXPECT_TRUE(clock.ok());
  return *std::move(clock);
}

TEST(HostClock, ConvertsBetweenBeforeAndBehindAnchors) {
  const HostClock clock = clock_of({anchor_at(0), anchor_at(kSecond), anchor_at(2 * kSecond)});
  for (const std::int64_t ns :
       {-kSecond / 10, 0l, 1000l, kSecond, kSecond * 3 / 2, 2 * kSecond, 5 * kSecond}) {
    const HostTsc tsc(static_cast<std::uint64_t>(1'000'000 + ns / 2 * 5));
    if (ns < 0) continue;
    EXPECT_NEAR(static_cast<double>(clock.to_ns(tsc).value), static_cast<double>(ns), 1.0);
    EXPECT_NEAR(static_cast<double>(clock.to_realtime(tsc).value - 1'700'000'000 * kSecond),
                static_cast<double>(ns), 1.0);
    EXPECT_NEAR(static_cast<double>(clock.to_tsc(Nanoseconds(ns)).value), static_cast<double>(tsc.value),
                5.0);
    EXPECT_NEAR(static_cast<double>(clock.from_realtime(Nanoseconds(1'700'000'000 * kSecond + ns)).value),
                static_cast<double>(tsc.value), 5.0);
  }
  EXPECT_LT(clock.to_ns(HostTsc(500'000)).value, 0);
  EXPECT_EQ(clock.wall_maxerror_us(), 16000);
  EXPECT_EQ(clock.ticks_to_ns(2500).value, 1000);
  EXPECT_EQ(clock.ticks_to_ns(1).value, 1);  // a bound is rounded up
}

TEST(HostClock, ErrorGrowsOutsideAndShowsABend) {
  std::vector<Anchor> bent{anchor_at(0), anchor_at(kSecond), anchor_at(2 * kSecond)};
  const HostClock straight = clock_of(bent);
  EXPECT_GE(straight.error(anchor_at(kSecond).tsc).value, 20);  // half a bracket of 100 ticks at 2.5 GHz
  EXPECT_LT(straight.error(anchor_at(kSecond).tsc).value, 40);
  EXPECT_GT(straight.error(anchor_at(20 * kSecond).tsc), straight.error(anchor_at(2 * kSecond).tsc));
  bent[1].monotonic_raw.value += 5000;
  EXPECT_GE(clock_of(bent).worst_error().value, 5000);
}

TEST(HostClock, AWallClockThatIsSetBackStillConverts) {
  const HostClock clock = clock_of({anchor_at(0), anchor_at(kSecond), anchor_at(2 * kSecond, -3600 * kSecond),
                                    anchor_at(3 * kSecond, -3600 * kSecond)});
  const HostTsc early = anchor_at(kSecond / 2).tsc;
  const HostTsc late = anchor_at(kSecond * 5 / 2).tsc;
  EXPECT_NEAR(static_cast<double>(clock.to_realtime(early).value - 1'700'000'000 * kSecond), kSecond / 2.0,
              2);
  EXPECT_NEAR(static_cast<double>(clock.to_realtime(late).value - 1'700'000'000 * kSecond),
              kSecond * 2.5 - 3600.0 * kSecond, 300);
  EXPECT_NEAR(static_cast<double>(clock.to_ns(late).value), kSecond * 2.5, 2);
}

TEST(HostClock, OneAnchorNeedsAFrequency) {
  EXPECT_FALSE(HostClock::create({anchor_at(0)}, HostTsc(0)).ok());
  EXPECT_FALSE(HostClock::create({}, HostTsc(0), 2'500'000).ok());
  const HostClock clock = clock_of({anchor_at(0)}, 2'500'000);
  EXPECT_NEAR(static_cast<double>(clock.to_ns(anchor_at(kSecond).tsc).value), kSecond, 2);
  EXPECT_GE(clock.error(anchor_at(kSecond).tsc).value, 400'000);  // a nominal frequency is not a measured one
}

TEST(HostClock, AnchorsFromADamagedJournalNeverBreakIt) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 3000; ++round) {
    std::vector<Anchor> anchors(1 + random() % 6);
    for (Anchor& anchor : anchors) {
      const int shift = static_cast<int>(random() % 64);
      anchor.tsc = HostTsc(random() >> shift);
      anchor.bracket = random() >> (random() % 64);
      anchor.monotonic_raw = Nanoseconds(static_cast<std::int64_t>(random() >> (random() % 64)));
      anchor.realtime = Nanoseconds(static_cast<std::int64_t>(random()));
    }
    const auto clock = HostClock::create(anchors, HostTsc(random()), random() >> (random() % 64));
    if (!clock) continue;
    const HostTsc tsc(random());
    NearClock near(*clock);
    for (int i = 0; i < 8; ++i) {
      const HostTsc time =
          i % 2 == 0 ? HostTsc(random() >> (random() % 64))
                     : HostTsc(anchors[random() % anchors.size()].tsc.value + random() % 1000 - 500);
      EXPECT_EQ(near.to_ns(time), clock->to_ns(time));
    }
    clock->error(tsc);
    clock->to_realtime(tsc);
    clock->ticks_to_ns(random());
    clock->from_realtime(Nanoseconds(static_cast<std::int64_t>(random())));
    clock->to_tsc(Nanoseconds(static_cast<std::int64_t>(random())));
  }
}

TEST(Anchors, ThisMachinesClocksAgreeWithTheMap) {
  std::vector<Anchor> anchors;
  for (int i = 0; i < 5; ++i) {
    anchors.push_back(sample_anchor());
    timespec pause{0, 20'000'000};
    nanosleep(&pause, nullptr);
  }
  const Anchor check = anchors[2];
  anchors.erase(anchors.begin() + 2);
  const HostClock clock = clock_of(anchors);
  const std::int64_t expected = check.monotonic_raw.value - anchors.front().monotonic_raw.value;
  const std::int64_t off = std::abs(clock.to_ns(check.tsc).value - expected);
  EXPECT_LE(off, clock.error(check.tsc).value + clock.ticks_to_ns(check.bracket).value + 1000);
}

Epoch epoch_at(std::uint64_t from, std::int64_t offset, std::uint64_t uncertain = 0,
               std::optional<std::uint32_t> cpu = {}) {
  Epoch epoch;
  epoch.valid_from = GuestTsc(from);
  epoch.uncertain = uncertain;
  epoch.relation.offset = offset;
  epoch.host_from = HostTsc(from - static_cast<std::uint64_t>(offset));
  epoch.cpu = cpu;
  epoch.source = ClockSource::kHandshake;
  epoch.error = 10;
  return epoch;
}

GuestClock clock_with(const std::vector<Epoch>& epochs) {
  GuestClock clock;
  for (const Epoch& epoch : epochs) EXPECT_TRUE(clock.add(epoch).ok());
  return clock;
}

TEST(GuestClock, WithoutEpochsThereIsNoAnswer) {
  const GuestClock clock;
  EXPECT_FALSE(clock.aligned());
  EXPECT_FALSE(clock.to_host(GuestTsc(5), CpuId(0)));
  EXPECT_FALSE(clock.to_guest(HostTsc(5), CpuId(0)));
  EXPECT_FALSE(clock.worst_error());
  GuestClock::Stream stream(clock, CpuId(0));
  EXPECT_FALSE(stream.to_host(GuestTsc(5)));
}

TEST(GuestClock, EachEpochHoldsFromItsStartAndTheChangeIsUncertain) {
  const GuestClock clock = clock_with({epoch_at(1000, -9000), epoch_at(5000, -19000, 1000)});
  EXPECT_EQ(clock.to_host(GuestTsc(2000), CpuId(0))->tsc, HostTsc(11000));
  EXPECT_FALSE(clock.to_host(GuestTsc(2000), CpuId(0))->uncertain);
  EXPECT_EQ(clock.to_host(GuestTsc(5000), CpuId(0))->tsc, HostTsc(24000));
  EXPECT_FALSE(clock.to_host(GuestTsc(5000), CpuId(0))->uncertain);
  const auto between = clock.to_host(GuestTsc(4500), CpuId(0));
  EXPECT_TRUE(between->uncertain);
  // Both 13500 and 23500 are covered by the bound.
  EXPECT_LE(between->tsc.value - between->error, 13500u);
  EXPECT_GE(between->tsc.value + between->error, 23500u);
}

TEST(GuestClock, BetterKnowledgeReplacesWhatItSupersedes) {
  Epoch narrower = epoch_at(1000, -9005);
  narrower.error = 2;
  const GuestClock clock = clock_with({epoch_at(1000, -9000), epoch_at(5000, -19000), narrower});
  EXPECT_EQ(clock.epoch_count(), 1u);
  EXPECT_EQ(clock.worst_error(), 2u);
  EXPECT_EQ(clock.to_host(GuestTsc(6000), CpuId(0))->tsc, HostTsc(15005));
}

TEST(GuestClock, ACpuOfItsOwnKeepsTheSharedPast) {
  const GuestClock clock =
      clock_with({epoch_at(1000, -9000), epoch_at(3000, -7000, 0, 1), epoch_at(8000, -1)});
  EXPECT_EQ(clock.to_host(GuestTsc(2000), CpuId(1))->tsc, HostTsc(11000));
  EXPECT_EQ(clock.to_host(GuestTsc(9000), CpuId(1))->tsc, HostTsc(16000));
  EXPECT_EQ(clock.to_host(GuestTsc(9000), CpuId(0))->tsc, HostTsc(9001));
  EXPECT_EQ(clock.epoch_count(), 3u);
}

TEST(GuestClock, BeforeTheFirstBurstIsUncertainOrNothing) {
  const GuestClock known = clock_with({epoch_at(1000, -9000, 1000)});
  EXPECT_TRUE(known.to_host(GuestTsc(10), CpuId(0))->uncertain);
  const GuestClock unknown = clock_with({epoch_at(1000, -9000)});
  EXPECT_FALSE(unknown.to_host(GuestTsc(10), CpuId(0)));
}

TEST(GuestClock, ATimeThatTheHostNeverHadIsNone) {
  const GuestClock clock = clock_with({epoch_at(1000, 900)});
  EXPECT_FALSE(clock.to_host(GuestTsc(100), CpuId(0)));
}

TEST(GuestClock, RefusesARatioThatCannotBe) {
  GuestClock clock;
  Epoch epoch = epoch_at(0, 0);
  epoch.relation.ratio = 0;
  EXPECT_FALSE(clock.add(epoch).ok());
  EXPECT_FALSE(clock.aligned());
}

TEST(GuestClockStream, OrderDecidesWhenAClockWasSetBack) {
  // The guest's TSC ran from 1000 to 9000 (host 10000..18000) and was then set to 0: all its times repeat.
  const GuestClock clock = clock_with({epoch_at(1000, -9000), epoch_at(9000, -20000, 9000)});
  EXPECT_TRUE(clock.to_host(GuestTsc(5000), CpuId(0))->uncertain);
  GuestClock::Stream stream(clock, CpuId(0));
  EXPECT_EQ(stream.to_host(GuestTsc(5000))->tsc, HostTsc(14000));
  EXPECT_EQ(stream.to_host(GuestTsc(500))->tsc, HostTsc(20500));
  const auto after = stream.to_host(GuestTsc(5000));
  EXPECT_EQ(after->tsc, HostTsc(25000));
  EXPECT_FALSE(after->uncertain);
}

TEST(GuestClockStream, SaysTheSameAsTheClockWhereThatIsCertain) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 200; ++round) {
    GuestClock clock;
    std::uint64_t from = 1000;
    for (int i = 0; i < 4; ++i) {
      Epoch epoch =
          epoch_at(from, -static_cast<std::int64_t>(1'000'000 + random() % 1'000'000), random() % 500);
      if (i == 2) epoch.relation = {-1'000'000, (3ull << 30) + random() % (1ull << 30), 32};
      ASSERT_TRUE(clock.add(epoch).ok());
      from += 1000 + random() % 5000;
    }
    GuestClock::Stream stream(clock, CpuId(0));
    for (std::uint64_t tsc = 0; tsc < from + 5000; tsc += random() % 50) {
      const auto fast = stream.to_host(GuestTsc(tsc));
      const auto slow = clock.to_host(GuestTsc(tsc), CpuId(0));
      ASSERT_EQ(fast.has_value(), slow.has_value());
      if (!slow || slow->uncertain) continue;
      EXPECT_EQ(fast->tsc, slow->tsc);
      EXPECT_EQ(fast->error, slow->error);
    }
  }
}

}  // namespace
}  // namespace ivtrace::clock
