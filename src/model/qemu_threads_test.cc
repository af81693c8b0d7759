#include "model/qemu_threads.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "model/model_test_support.h"

namespace ivtrace::model {
namespace {

constexpr std::uint64_t kStart = 2'000'000;
constexpr std::int32_t kIoThread = 510;
constexpr std::int32_t kOther = 900;

using Lines = std::vector<std::string>;

/// The slices as text, times from the start: "510 io: 10-20 preempted by 900 hog".
Lines slices_of(MadeRun& made) {
  made.qemu_threads = {kVcpuThread, kIoThread};
  const run::RunReader run = made.open();
  auto events = *merge::RunEvents::open(run, {});
  ThreadOwners owners(run, events.formats(0));
  Lines lines;
  QemuThreads threads(run, events, owners, [&](const QemuSlice& slice) {
    EXPECT_EQ(slice.machine, 1u);
    std::string line =
        fmt::format("{} {}: {}-{} {}", slice.thread.tid, slice.thread.name(), slice.from.value - kStart,
                    slice.until.value - kStart, to_string(slice.state));
    if (slice.state == ThreadState::kPreempted)
      line += fmt::format(" by {} {}", slice.by.tid, slice.by.name());
    if (slice.open) line += " open";
    lines.push_back(line);
  });
  EXPECT_TRUE(threads.recorded());
  merge::MergedEvent event;
  while (events.next(event)) {
    if (event.loss == nullptr && event.stream->machine == 0) owners.look(event.id, event.record);
    threads.look(event);
  }
  threads.finish();
  return lines;
}

TEST(QemuThreads, RunWaitAndSleepAndWhoHasTheCpuMeanwhileIsNamed) {
  MadeRun made;
  made.host_switch(kStart + 10, kOther, 0, kIoThread, "io");
  made.host_switch(kStart + 20, kIoThread, 0, kOther, "hog");
  made.host_switch(kStart + 30, kOther, 0, 901, "second");
  made.host_switch(kStart + 40, 901, 0, kIoThread, "io");
  made.host_switch(kStart + 50, kIoThread, 1, 0, "swapper/0");
  made.waking(kStart + 70, kIoThread);
  made.host_switch(kStart + 71, 0, 0, kIoThread, "io");
  made.host_switch(kStart + 80, kIoThread, 2, kVcpuThread, "CPU 0/KVM");
  made.host_switch(kStart + 90, kVcpuThread, 1, kOther, "hog");
  EXPECT_EQ(slices_of(made), (Lines{"510 io: 10-20 running", "510 io: 20-30 preempted by 900 hog",
                                    "510 io: 30-40 preempted by 901 second", "510 io: 40-50 running",
                                    "510 io: 50-70 blocked", "510 io: 70-71 preempted by 0 swapper/0",
                                    "510 io: 71-80 running", "510 io: 80-90 blocked open"}));
}

TEST(QemuThreads, AWorkerIsFollowedFromItsFirstWakeUpUntilItEnds) {
  MadeRun made;
  made.host_switch(kStart + 5, 1, 0, kOther, "hog");
  made.new_task(kStart + 10, kIoThread, 520);
  made.wakeup_new(kStart + 11, 520);
  made.host_switch(kStart + 20, kOther, 0, 520, "worker");
  made.host_switch(kStart + 30, 520, 0x20, kOther, "hog");
  // Its number is used again by somebody else.
  made.new_task(kStart + 40, kOther, 520);
  made.wakeup_new(kStart + 41, 520);
  made.host_switch(kStart + 50, kOther, 0, 520, "other");
  made.host_switch(kStart + 60, 520, 1, kOther, "hog");
  EXPECT_EQ(slices_of(made), (Lines{"520 worker: 11-20 preempted by 900 hog", "520 worker: 20-30 running"}));
}

TEST(QemuThreads, AVhostWorkerIsTheGuestsByItsName) {
  MadeRun made;
  made.host_switch(kStart + 10, kOther, 0, 530, "vhost-499");
  made.host_switch(kStart + 20, 530, 1, 531, "vhost-77");
  EXPECT_EQ(slices_of(made), (Lines{"530 vhost-499: 10-20 running"}));
}

TEST(QemuThreads, NothingIsClaimedWhereHostEventsWereLost) {
  MadeRun made;
  made.host_switch(kStart + 10, kOther, 0, kIoThread, "io");
  made.host_switch(kStart + 20, kIoThread, 1, kOther, "hog");
  made.host_switch(kStart + 30, kOther, 1, 901, "second");
  made.lose();
  made.waking(kStart + 500, kIoThread);  // whether it slept is not known
  made.host_switch(kStart + 510, kOther, 0, kIoThread, "io");
  made.host_switch(kStart + 520, kIoThread, 1, kOther, "hog");
  EXPECT_EQ(slices_of(made),
            (Lines{"510 io: 10-20 running", "510 io: 20-30 blocked", "510 io: 510-520 running"}));
}

TEST(QemuThreads, WhoWaitsForAnotherCpuThanItLeftWaitsBehindThatOnesThread) {
  MadeRun made;
  made.host_switch(kStart + 10, kOther, 0, kIoThread, "io");
  made.host_switch(kStart + 20, kIoThread, 1, kOther, "hog");
  made.waking(kStart + 30, kIoThread, 7);  // nothing is known of that CPU yet
  made.waking(kStart + 40, kIoThread, 0);
  made.host_switch(kStart + 50, kOther, 0, kIoThread, "io");
  EXPECT_EQ(slices_of(made), (Lines{"510 io: 10-20 running", "510 io: 20-30 blocked",
                                    "510 io: 30-40 preempted by -1 ", "510 io: 40-50 preempted by 900 hog"}));
}

TEST(QemuThreads, AMigratedThreadWaitsForItsNewCpuUnderTheNameThatItHas) {
  MadeRun made;
  made.host_switch(kStart + 10, kOther, 0, kIoThread, "io");
  made.host_switch(kStart + 20, kIoThread, 1, kOther, "hog");
  made.waking(kStart + 30, kIoThread, 0);
  made.migrate(kStart + 40, kIoThread, "io2", 7);
  made.migrate(kStart + 50, kIoThread, "io3", 0);
  EXPECT_EQ(slices_of(made),
            (Lines{"510 io: 10-20 running", "510 io: 20-30 blocked", "510 io2: 30-40 preempted by 900 hog",
                   "510 io3: 40-50 preempted by -1 "}));
}

}  // namespace
}  // namespace ivtrace::model
