#include "model/vcpu_states.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "model/model_test_support.h"
#include "model/vcpu_times.h"

namespace ivtrace::model {
namespace {

constexpr std::uint64_t kStart = 2'000'000;
constexpr std::uint32_t kHlt = 0x78;
constexpr std::uint32_t kNpf = 0x400;
constexpr std::int32_t kOther = 900;

/// The slices as text, times from the start: "10-20 exit npf".
std::vector<std::string> slices_of(MadeRun& made) {
  const run::RunReader run = made.open();
  auto events = *merge::RunEvents::open(run, {});
  std::vector<std::string> lines;
  const VcpuStates* states = nullptr;
  VcpuStates machine(run, events, [&](const VcpuSlice& slice) {
    std::string line = fmt::format("{}-{} {}", slice.from.value - kStart, slice.until.value - kStart,
                                   to_string(slice.state));
    if (slice.state == VcpuState::kExit) line += " " + states->exit_names().name(slice.reason);
    if (slice.state == VcpuState::kPreempted) line += fmt::format(" by {} {}", slice.by.tid, slice.by.name());
    if (slice.open) line += " open";
    lines.push_back(line);
  });
  states = &machine;
  merge::MergedEvent event;
  while (events.next(event)) machine.look(event);
  machine.finish();
  return lines;
}

using Lines = std::vector<std::string>;

TEST(VcpuStates, GuestExitAndUserspaceFollowEachOther) {
  MadeRun made;
  made.entry(kStart + 10);
  made.exit(kStart + 20, kNpf);
  made.userspace_exit(kStart + 25);
  made.entry(kStart + 40);
  made.exit(kStart + 50, kHlt);
  EXPECT_EQ(slices_of(made), (Lines{"10-20 guest", "20-25 exit npf", "25-40 userspace", "40-50 guest"}));
}

TEST(VcpuStates, AnExitGoesOnWhereItWasPreempted) {
  MadeRun made;
  made.entry(kStart + 10);
  made.exit(kStart + 20, kNpf);
  made.host_switch(kStart + 22, kVcpuThread, 0, kOther, "hog");
  made.host_switch(kStart + 32, kOther, 0, kVcpuThread);
  made.entry(kStart + 35);
  made.exit(kStart + 50, kNpf);
  EXPECT_EQ(slices_of(made), (Lines{"10-20 guest", "20-22 exit npf", "22-32 preempted by 900 hog",
                                    "32-35 exit npf", "35-50 guest"}));
}

TEST(VcpuStates, ASleepBehindAHltIsHaltedAnyOtherBlocked) {
  MadeRun made;
  made.entry(kStart + 10);
  made.exit(kStart + 20, kHlt);
  made.host_switch(kStart + 22, kVcpuThread, 1, 0, "swapper/0");
  made.waking(kStart + 30, kVcpuThread);
  made.host_switch(kStart + 31, 0, 0, kVcpuThread);
  made.entry(kStart + 33);
  made.exit(kStart + 40, kNpf);
  made.host_switch(kStart + 41, kVcpuThread, 2, 0, "swapper/0");
  made.waking(kStart + 50, kVcpuThread);
  made.host_switch(kStart + 51, 0, 0, kVcpuThread);
  made.entry(kStart + 52);
  EXPECT_EQ(slices_of(made),
            (Lines{"10-20 guest", "20-22 exit hlt", "22-30 halted", "30-31 preempted by 0 swapper/0",
                   "31-33 exit hlt", "33-40 guest", "40-41 exit npf", "41-50 blocked",
                   "50-51 preempted by 0 swapper/0", "51-52 exit npf"}));
}

TEST(VcpuStates, WhoHasTheCpuMeanwhileIsNamedInTurn) {
  MadeRun made;
  made.entry(kStart + 10);
  made.exit(kStart + 20, kNpf);
  made.host_switch(kStart + 22, kVcpuThread, 0x100, kOther, "first");
  made.host_switch(kStart + 30, kOther, 0, 901, "second");
  made.host_switch(kStart + 37, 901, 1, kVcpuThread);
  made.entry(kStart + 40);
  EXPECT_EQ(slices_of(made), (Lines{"10-20 guest", "20-22 exit npf", "22-30 preempted by 900 first",
                                    "30-37 preempted by 901 second", "37-40 exit npf"}));
}

TEST(VcpuStates, NothingIsClaimedWhereHostEventsWereLost) {
  MadeRun made;
  made.entry(kStart + 10);
  made.exit(kStart + 20, kNpf);
  made.entry(kStart + 30);
  made.lose();
  made.exit(kStart + 500, kNpf);
  made.entry(kStart + 510);
  EXPECT_EQ(slices_of(made), (Lines{"10-20 guest", "20-30 exit npf", "500-510 exit npf"}));
}

TEST(VcpuStates, AThreadThatEndsHasNoStateMore) {
  MadeRun made;
  made.entry(kStart + 10);
  made.exit(kStart + 20, kNpf);
  made.host_switch(kStart + 30, kVcpuThread, 0x20, kOther);
  made.host_switch(kStart + 90, kOther, 0, 901);
  EXPECT_EQ(slices_of(made), (Lines{"10-20 guest", "20-30 exit npf"}));
}

TEST(VcpuStates, WithoutExitsTheThreadsSchedulingTells) {
  MadeRun made;
  made.accel = "tcg";
  made.host_switch(kStart + 10, kOther, 0, kVcpuThread);
  made.host_switch(kStart + 20, kVcpuThread, 0, kOther, "hog");
  made.host_switch(kStart + 30, kOther, 0, kVcpuThread);
  made.host_switch(kStart + 40, kVcpuThread, 1, kOther, "hog");
  made.waking(kStart + 45, kVcpuThread);
  made.host_switch(kStart + 47, kOther, 0, kVcpuThread);
  made.guest(kStart + 48, 7, 0);
  made.host_switch(kStart + 50, kVcpuThread, 1, kOther, "hog");
  made.host_switch(kStart + 70, kOther, 1, 0, "swapper/0");
  EXPECT_EQ(slices_of(made),
            (Lines{"10-20 running", "20-30 preempted by 900 hog", "30-40 running", "40-45 blocked",
                   "45-47 preempted by 900 hog", "47-50 running", "50-70 halted open"}));
}

TEST(VcpuTimes, SumUpStatesAndNameTheGuestThatHadTheCpu) {
  MadeRun made;
  made.entry(kStart + 10);
  made.exit(kStart + 20, kNpf);
  made.new_task(kStart + 21, kVcpuThread - 1, kOther);  // QEMU makes itself a thread
  made.host_switch(kStart + 22, kVcpuThread, 0, kOther, "worker");
  made.host_switch(kStart + 32, kOther, 0, 901, "cron");
  made.host_switch(kStart + 35, 901, 0, kVcpuThread);
  made.entry(kStart + 36);
  made.exit(kStart + 100, kHlt);
  const run::RunReader run = made.open();
  const auto measured = measure_vcpu_times(run);
  ASSERT_TRUE(measured.ok());
  ASSERT_EQ(measured->vcpus.size(), 1u);
  const VcpuTimes& times = measured->vcpus.front();
  EXPECT_EQ(times.of(VcpuState::kGuest).ticks, 10u + 64);
  EXPECT_EQ(times.of(VcpuState::kGuest).times, 2u);
  EXPECT_EQ(times.of(VcpuState::kGuest).longest, 64u);
  EXPECT_EQ(times.of(VcpuState::kExit).ticks, 2u + 1);
  EXPECT_EQ(times.of(VcpuState::kPreempted).ticks, 13u);
  EXPECT_EQ(times.known() + times.unknown, 100u);
  ASSERT_EQ(times.preempted_by.size(), 2u);
  EXPECT_EQ(times.preempted_by[0].comm, "worker");
  EXPECT_EQ(times.preempted_by[0].machine, std::optional<std::size_t>(1));
  EXPECT_EQ(times.preempted_by[0].time.ticks, 10u);
  EXPECT_EQ(times.preempted_by[1].comm, "cron");
  EXPECT_EQ(times.preempted_by[1].machine, std::nullopt);
}

TEST(VcpuTimes, ARangeCutsWhatReachesBeyondIt) {
  MadeRun made;
  made.entry(kStart + 10);
  made.exit(kStart + 100, kNpf);
  made.entry(kStart + 200);
  made.exit(kStart + 300, kNpf);
  const run::RunReader run = made.open();
  const auto measured = measure_vcpu_times(run, {HostTsc(kStart + 50), HostTsc(kStart + 250)});
  ASSERT_TRUE(measured.ok());
  EXPECT_EQ(measured->vcpus.front().of(VcpuState::kGuest).ticks, 50u);
  EXPECT_EQ(measured->vcpus.front().of(VcpuState::kExit).ticks, 100u);
}

}  // namespace
}  // namespace ivtrace::model
