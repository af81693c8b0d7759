#include "model/containment.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "model/model_test_support.h"

namespace ivtrace::model {
namespace {

constexpr std::uint64_t kStart = 2'000'000;

/// A guest that runs 1000 ticks and is out of it for 500, fifty times, with an event at both ends of each
/// stay.
void busy_guest(MadeRun& run) {
  for (std::uint64_t i = 0; i < 50; ++i) {
    const std::uint64_t entry = kStart + i * 1500;
    run.entry(entry);
    run.guest(entry + 10, 1, 2);
    run.guest(entry + 990, 2, 1);
    run.exit(entry + 1000);
  }
}

Containment measure(MadeRun& made) {
  const run::RunReader run = made.open();
  const auto measured = measure_containment(run);
  EXPECT_TRUE(measured.ok());
  if (!measured.ok() || measured->size() != 1) {
    ADD_FAILURE() << "no vCPU";
    return {};
  }
  return measured->front();
}

TEST(Containment, OnARightClockEveryEventLiesInside) {
  MadeRun run;
  busy_guest(run);
  const Containment measured = measure(run);
  EXPECT_EQ(measured.inside, 100u);
  EXPECT_EQ(measured.outside + measured.in_lost_ranges + measured.unknown, 0u);
  EXPECT_FALSE(measured.worst_at.has_value());
}

TEST(Containment, AShiftedClockShowsViolationsAndHowFarTheyLie) {
  for (const std::int64_t shift : {-60, 60}) {
    MadeRun run;
    run.offset_error = shift;
    busy_guest(run);
    const Containment measured = measure(run);
    EXPECT_EQ(measured.inside + measured.outside + measured.unknown, 100u) << shift;
    EXPECT_GE(measured.outside, 49u) << shift;
    EXPECT_EQ(measured.worst_ticks, 50u) << shift;
    EXPECT_TRUE(measured.worst_at.has_value());
  }
}

TEST(Containment, AnEventAtTheVeryMomentOfEntryOrExitIsInside) {
  MadeRun run;
  run.exit(kStart);
  run.guest(kStart, 1, 2);
  run.guest(kStart + 500, 1, 2);
  run.entry(kStart + 500);
  run.exit(kStart + 600);
  const Containment measured = measure(run);
  EXPECT_EQ(measured.inside + measured.unknown, 2u);
  EXPECT_EQ(measured.outside, 0u);
}

TEST(Containment, WhatCannotBeJudgedIsCountedApart) {
  MadeRun run;
  run.guest(kStart - 100, 1, 2);  // before the first entry
  run.entry(kStart);
  run.guest(kStart + 10, 1, 2);
  run.exit(kStart + 100);
  run.lose();
  run.guest(kStart + 300, 1, 2);  // an entry was lost, or it was not
  run.exit(kStart + 1000);
  run.entry(kStart + 1100);
  run.guest(kStart + 1200, 1, 2);
  run.exit(kStart + 1300);
  const Containment measured = measure(run);
  EXPECT_EQ(measured.inside, 2u);
  EXPECT_EQ(measured.outside, 0u);
  EXPECT_EQ(measured.in_lost_ranges, 1u);
  EXPECT_EQ(measured.unknown, 1u);
}

TEST(Containment, OtherThreadsEntriesAreNotTheVcpus) {
  MadeRun run;
  busy_guest(run);
  run.exit(kStart + 100'000);
  run.guest(kStart + 101'000, 1, 2);
  run.entry(kStart + 102'000, kVcpuThread + 1);
  run.guest(kStart + 103'000, 1, 2);
  run.entry(kStart + 110'000);
  EXPECT_EQ(measure(run).outside, 2u);
}

TEST(Containment, AVcpuIsFoundByItsApicIdAndNotByItsNumber) {
  MadeRun run;
  run.apic_id = 0;  // the guest has no CPU with that APIC ID
  busy_guest(run);
  const run::RunReader opened = run.open();
  EXPECT_TRUE(measure_containment(opened)->empty());
}

/// Two vCPUs that take turns, each with an event in each of its turns: guest CPU 0 has APIC ID 3, CPU 1
/// has 5.
Containment of_both(std::int32_t first_apic_id, std::int32_t second_apic_id) {
  constexpr std::int32_t kOther = kVcpuThread + 1;
  MadeRun made;
  made.apic_id = first_apic_id;
  made.more_vcpus = {{"vm1", 1, kOther, second_apic_id}};
  made.more_cpus = {{1, 5, true}};
  for (std::uint64_t i = 0; i < 50; ++i) {
    const std::uint64_t entry = kStart + i * 2000;
    made.entry(entry);
    made.guest(entry + 300, 1, 2);
    made.exit(entry + 900);
    made.entry(entry + 1000, kOther);
    made.guest(entry + 1400, 3, 4, 1);
    made.exit(entry + 1900, 0x78, kOther);
  }
  const run::RunReader run = made.open();
  const auto measured = measure_containment(run);
  EXPECT_EQ(measured->size(), 2u);
  Containment both;
  for (const Containment& one : *measured) {
    both.inside += one.inside;
    both.outside += one.outside;
    both.unknown += one.unknown;
    both.worst_ticks = std::max(both.worst_ticks, one.worst_ticks);
  }
  return both;
}

TEST(Containment, EachVcpuIsJudgedByItsOwnEntriesAndExits) {
  const Containment measured = of_both(3, 5);
  EXPECT_EQ(measured.inside, 100u);
  EXPECT_EQ(measured.outside + measured.unknown, 0u);
}

TEST(Containment, TakingOneVcpuForTheOtherShows) {
  const Containment measured = of_both(5, 3);
  EXPECT_EQ(measured.inside, 0u);
  EXPECT_GE(measured.outside, 99u);  // the first event comes before its supposed vCPU's first entry
  EXPECT_EQ(measured.worst_ticks, 500u);
}

TEST(Containment, CanBeGivenUp) {
  MadeRun made;
  for (std::uint64_t i = 0; i < 40'000; ++i) {
    made.entry(kStart + i * 10);
    made.exit(kStart + i * 10 + 5);
  }
  made.guest(kStart + 2, 1, 2);
  const run::RunReader run = made.open();
  EXPECT_TRUE(measure_containment(run, [] { return false; }).ok());
  const auto measured = measure_containment(run, [] { return true; });
  ASSERT_FALSE(measured.ok());
  EXPECT_EQ(measured.error().code, ErrorCode::kTimeout);
}

}  // namespace
}  // namespace ivtrace::model
