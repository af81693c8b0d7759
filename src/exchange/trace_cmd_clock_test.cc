#include "exchange/trace_cmd_clock.h"

#include <gtest/gtest.h>

#include "clock/clock_map.h"

namespace ivtrace::exchange {
namespace {

clock::GuestClock clock_of(const std::vector<clock::Epoch>& epochs) {
  clock::GuestClock clock;
  for (const clock::Epoch& epoch : epochs) EXPECT_TRUE(clock.add(epoch).ok());
  return clock;
}

std::optional<std::uint64_t> host_of(const clock::GuestClock& clock, std::uint64_t guest,
                                     std::uint32_t cpu = 0) {
  const auto time = clock.to_host(GuestTsc(guest), CpuId(cpu));
  return time ? std::optional(time->tsc.value) : std::nullopt;
}

TEST(EpochsOf, OneSampleForAllCpusIsOneExactEpoch) {
  TimeShift shift;
  shift.cpus = {{{500, 1000, 1, 0}}, {{500, 1000, 1, 0}}};
  const auto epochs = epochs_of(shift, 2);
  ASSERT_EQ(epochs.size(), 1u);
  EXPECT_FALSE(epochs[0].cpu);
  EXPECT_EQ(epochs[0].error, 0u);
  EXPECT_EQ(epochs[0].source, clock::ClockSource::kGiven);
  const auto clock = clock_of(epochs);
  EXPECT_EQ(host_of(clock, 7), 1007u) << "the first sample holds from ever";
  EXPECT_EQ(host_of(clock, 100'000, 1), 101'000u);
}

TEST(EpochsOf, ACpuThatTheOptionLacksHasNoClock) {
  TimeShift shift;
  shift.cpus = {{{0, 1000, 1, 0}}};
  const auto clock = clock_of(epochs_of(shift, 2));
  EXPECT_EQ(host_of(clock, 5, 0), 1005u);
  EXPECT_FALSE(host_of(clock, 5, 1));
  EXPECT_TRUE(epochs_of(TimeShift{}, 2).empty());
}

TEST(EpochsOf, SamplesInStepsHoldUntilTheNext) {
  TimeShift shift;
  shift.cpus = {{{2000, -500, 1, 0}, {1000, 100, 1, 0}, {2000, 77, 1, 0}}};
  const auto clock = clock_of(epochs_of(shift, 1));
  EXPECT_EQ(host_of(clock, 1500), 1600u);
  EXPECT_EQ(host_of(clock, 1999), 2099u);
  EXPECT_EQ(host_of(clock, 2000), 1500u) << "of two samples of one time the first counts";
  EXPECT_EQ(host_of(clock, 9000), 8500u);
}

TEST(EpochsOf, InterpolatedSamplesAreLinesThatMeet) {
  TimeShift shift;
  shift.interpolated = true;
  shift.cpus = {{{1'000'000'000, 5000, 1, 0}, {2'000'000'000, 7000, 1, 0}, {3'000'000'000, 6000, 1, 0}}};
  const auto epochs = epochs_of(shift, 1);
  ASSERT_EQ(epochs.size(), 2u);
  EXPECT_EQ(epochs[0].error, 2001u);
  const auto clock = clock_of(epochs);
  for (const auto& [guest, host] :
       std::vector<std::pair<std::uint64_t, std::uint64_t>>{{1'000'000'000, 1'000'005'000},
                                                            {1'500'000'000, 1'500'006'000},
                                                            {1'999'999'999, 2'000'006'999},
                                                            {2'000'000'000, 2'000'007'000},
                                                            {2'500'000'000, 2'500'006'500},
                                                            {4'000'000'000, 4'000'005'000}}) {
    const auto found = host_of(clock, guest);
    ASSERT_TRUE(found);
    EXPECT_NEAR(static_cast<double>(*found), static_cast<double>(host), 2) << guest;
  }
}

TEST(EpochsOf, AScaledClockIsKvms) {
  TimeShift shift;
  shift.cpus = {{{0, 1000, 3ull << 47, 48}}};  // the guest counts 1.5 times as fast
  const auto clock = clock_of(epochs_of(shift, 1));
  EXPECT_EQ(host_of(clock, 1'500'000 - 1000), 1'000'000u);
}

TEST(EpochsOf, NumbersThatMakeNoSenseAreLeftOut) {
  TimeShift shift;
  shift.cpus = {{{0, 0, 0, 0}, {5, 0, 1, 300}, {9, 1, 1, 0}}};
  const auto epochs = epochs_of(shift, 1);
  ASSERT_EQ(epochs.size(), 1u);
  EXPECT_EQ(epochs[0].relation.offset, -1);
  shift.interpolated = true;
  shift.cpus = {{{0, INT64_MIN, 1, 0}, {~0ull, INT64_MAX, 1, 0}, {~0ull - 1, 0, 1, 0}}};
  EXPECT_FALSE(epochs_of(shift, 1).empty());
}

TEST(ZeroOf, IsWhereTheFilesTimesBegin) {
  TraceDat dat;
  dat.speed = TscToNs{1u << 30, 31};
  EXPECT_EQ(zero_of(dat).value, 0u);
  dat.offset_ns = -1000;
  EXPECT_EQ(zero_of(dat).value, 2000u);
  dat.offset_ns = INT64_MIN;
  EXPECT_EQ(zero_of(dat).value, 0u) << "no clock has counted for so long";
}

TEST(AnchorsOf, GiveTheTicksTheFilesTimes) {
  TraceDat dat;
  dat.speed = TscToNs{1u << 30, 31};
  dat.date_ns = 1'700'000'000'000'000'000;
  EXPECT_EQ(khz_of(speed_of(dat)), 2'000'000u);
  const auto clock =
      clock::HostClock::create(anchors_of(dat, HostTsc(4000), HostTsc(2'000'004'000)), HostTsc(4000)).value();
  EXPECT_EQ(clock.to_ns(HostTsc(1'000'004'000)).value, 500'000'000);
  EXPECT_EQ(clock.to_realtime(HostTsc(4000)).value, 1'700'000'000'000'002'000);
}

}  // namespace
}  // namespace ivtrace::exchange
