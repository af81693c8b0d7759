#include "clock/relation.h"

#include <gtest/gtest.h>

#include <random>

namespace ivtrace::clock {
namespace {

TEST(Relation, UnscaledAddsTheOffset) {
  const TscRelation relation{-1000, 1, 0};
  EXPECT_EQ(to_guest(relation, HostTsc(5000)), GuestTsc(4000));
  EXPECT_EQ(to_host(relation, GuestTsc(4000)), HostTsc(5000));
}

TEST(Relation, RatioOneInFixedPointIsUnscaled) {
  EXPECT_TRUE(is_unscaled({0, 1ull << 48, 48}));
  EXPECT_TRUE(is_unscaled({0, 1ull << 32, 32}));
  EXPECT_FALSE(is_unscaled({0, (1ull << 32) + 1, 32}));
}

TEST(Relation, ScaledIsExactForLargeCounts) {
  const TscRelation relation{77, 3ull << 47, 48};  // 1.5
  const HostTsc host(0x0123456789abcdefull);
  const auto expected = static_cast<std::uint64_t>(static_cast<unsigned __int128>(host.value) * 3 / 2 + 77);
  EXPECT_EQ(to_guest(relation, host).value, expected);
}

TEST(Relation, RoundTripFindsTheEarliestHostTime) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20000; ++i) {
    TscRelation relation;
    relation.frac_bits = i % 2 == 0 ? 48 : 32;
    relation.ratio = (1ull << relation.frac_bits) / 4 + random() % (3ull << relation.frac_bits);
    const HostTsc host((1ull << 54) + random() % (1ull << 58));
    relation.offset = static_cast<std::int64_t>(random() % (1ull << 50)) - (1ll << 49);
    const GuestTsc guest = to_guest(relation, host);
    const auto back = to_host(relation, guest);
    ASSERT_TRUE(back);
    EXPECT_LE(*back, host);
    EXPECT_GE(to_guest(relation, *back), guest);
    EXPECT_LT(to_guest(relation, HostTsc(back->value - 1)), guest);
  }
}

TEST(Relation, AHostTimeThatCannotBeIsNone) {
  EXPECT_FALSE(to_host({5000, 1, 0}, GuestTsc(4000)));      // before the host's TSC began
  EXPECT_FALSE(to_host({0, 0, 0}, GuestTsc(4000)));         // ratio 0
  EXPECT_FALSE(to_host({0, 1, 64}, GuestTsc(4000)));        // too many fraction bits
  EXPECT_FALSE(to_host({0, 1, 60}, GuestTsc(1ull << 40)));  // beyond 2^63
}

TEST(Relation, SourcesHaveNames) {
  for (const ClockSource source : {ClockSource::kNone, ClockSource::kHandshake, ClockSource::kKvmDebugfs,
                                   ClockSource::kKvmTracepoint, ClockSource::kGiven}) {
    EXPECT_EQ(clock_source_of(to_string(source)), source);
  }
  EXPECT_EQ(clock_source_of("sundial"), ClockSource::kNone);
}

}  // namespace
}  // namespace ivtrace::clock
