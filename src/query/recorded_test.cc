#include "query/recorded.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fd.h"
#include "run/run_test_support.h"
#include "run/run_writer.h"

namespace ivtrace::query {
namespace {

using ::testing::ElementsAre;
using ::testing::IsSupersetOf;

const std::vector<std::string> kIo = {"block:block_rq_issue",  "block:block_rq_complete",
                                      "irq:irq_handler_entry", "irq:irq_handler_exit",
                                      "sched:sched_switch",    "syscalls:sys_enter_preadv"};

class MadeJournal : public ::testing::Test {
 protected:
  void SetUp() override {
    host_.name = "host";
    host_.kind = "host";
    host_.feed = "splice";
    host_.events = kIo;
    guest_.name = "vm1";
    guest_.kind = "guest";
    guest_.feed = "map";
    guest_.qemu_pid = 7;
    guest_.agent_version = "1";
    guest_.events = {kIo.begin(), kIo.begin() + 4};
    manifest_.profile = "io";
  }
  void counted(const std::string& machine, bool final_counters = true) {
    more_.emplace_back(run::CountersRecord{machine, "", 1, final_counters, {}});
  }
  void mapped(const std::string& device, const std::string& file, std::vector<std::string> gaps = {}) {
    more_.emplace_back(run::DiskRecord{"vm1", device, "/" + device, "raw", "", "", 1, HostTsc(), {}});
    more_.emplace_back(run::ExtentsRecord{"vm1", device, HostTsc(1), file, std::move(gaps)});
  }
  void aligned(std::optional<std::uint32_t> cpu = {}) {
    run::EpochRecord epoch;
    epoch.machine = "vm1";
    epoch.epoch.cpu = cpu;
    epoch.epoch.valid_from = GuestTsc(1);
    more_.emplace_back(epoch);
  }
  void ended() { more_.emplace_back(run::EndRecord{HostTsc(9), "duration"}); }

  /// "vm1 what" of what is there, "vm1 what: reason -> option" of what is not.
  std::vector<std::string> told(bool with_guest = true) {
    const run::ScratchDirectory scratch;
    auto writer = *run::RunWriter::create(scratch / "run.ivt", manifest_);
    EXPECT_TRUE(writer->append(host_));
    if (with_guest) {
      EXPECT_TRUE(writer->append(guest_));
    }
    for (const run::Record& record : more_) EXPECT_TRUE(writer->append(record));
    for (const std::uint32_t cpu : pages_of_) {
      run::SegmentRecord segment;
      segment.machine = "vm1";
      segment.cpu = cpu;
      EXPECT_TRUE(writer->append(segment));
      EXPECT_TRUE(
          write_all(writer->open_pages("vm1", "", cpu)->get(), std::vector<std::byte>(4096), "pages"));
    }
    writer.reset();
    const run::RunReader run = *run::RunReader::open(scratch / "run.ivt");
    std::vector<std::string> lines;
    for (const Recorded& row : recorded_of(run)) {
      std::string line = row.machine + " " + row.what;
      if (!row.recorded || !row.reason.empty())
        line += row.recorded ? ", but: " + row.reason : ": " + row.reason;
      if (!row.option.empty()) line += " -> " + row.option;
      lines.push_back(line);
    }
    return lines;
  }

  run::Manifest manifest_;
  run::MachineRecord host_;
  run::MachineRecord guest_;
  std::vector<run::Record> more_;
  std::vector<std::uint32_t> pages_of_;  ///< the guest's CPUs that have some
};

TEST_F(MadeJournal, AWholeRunOfTheProfileIo) {
  counted("host");
  counted("vm1");
  aligned();
  mapped("d0", "extents.0");
  ended();
  EXPECT_THAT(told(),
              ElementsAre(" guest", "host events", "host block", "host irq", "host sched",
                          "host exits: kvm:kvm_entry, kvm:kvm_exit were not recorded -> record --profile all",
                          "host syscalls", "host counters", "vm1 events", "vm1 clock", "vm1 block", "vm1 irq",
                          "vm1 sched: sched:sched_switch was not recorded -> record --profile all",
                          "vm1 images", "vm1 counters"));
}

TEST_F(MadeJournal, AGuestWithoutAnAgent) {
  guest_.feed.clear();
  guest_.agent_version.clear();
  guest_.note = "no ivtrace-agent has run in this guest yet";
  const std::string why =
      ": no ivtrace-agent has run in this guest yet -> start ivtrace-agent in the guest (ivtrace attach "
      "--deploy)";
  EXPECT_THAT(told(), IsSupersetOf({"vm1 events" + why, "vm1 clock" + why, "vm1 block" + why,
                                    "vm1 sched" + why, "vm1 counters" + why}));
  // One that has spoken tells itself what hinders it.
  guest_.agent_version = "1";
  guest_.note = "its agent cannot record: locked down";
  EXPECT_THAT(told(), IsSupersetOf({"vm1 block: its agent cannot record: locked down"}));
}

TEST_F(MadeJournal, TheHostAlone) {
  manifest_.command_line = {"ivtrace", "record", "--no-guests"};
  EXPECT_THAT(
      told(false),
      IsSupersetOf({" guest: no guest was recorded -> record without --no-guests",
                    "host syscalls: they are recorded of QEMU's threads only, and none is in the run"}));
  manifest_.command_line.pop_back();
  EXPECT_EQ(told(false).front(),
            " guest: no guest was recorded -> record while a guest runs (ivtrace guests lists them)");
}

TEST_F(MadeJournal, NoEventsOfTheHost) {
  host_.feed.clear();
  EXPECT_THAT(told(), IsSupersetOf({"host events: no event of it was recorded",
                                    "host exits: no event of it was recorded",
                                    "host syscalls: no event of it was recorded"}));
}

TEST_F(MadeJournal, TheOptionIsThatOfTheRunsOwnChoice) {
  host_.events.clear();
  EXPECT_THAT(told(), IsSupersetOf({"host sched: sched:sched_switch was not recorded, though asked for: its "
                                    "kernel may not have it"}));
  manifest_.profile = "cpu";
  EXPECT_THAT(told(),
              IsSupersetOf({"host block: block:block_rq_issue, block:block_rq_complete were not recorded "
                            "-> record --profile all",
                            "host exits: kvm:kvm_entry, kvm:kvm_exit were not recorded, though asked for: "
                            "its kernel may not have it"}));
  manifest_.profile.clear();
  EXPECT_THAT(told(),
              IsSupersetOf({"host block: block:block_rq_issue, block:block_rq_complete were not recorded "
                            "-> record --events with block:block_rq_issue,block:block_rq_complete",
                            "host syscalls: raw_syscalls:sys_enter was not recorded -> record --events "
                            "with raw_syscalls:sys_enter"}));
}

TEST_F(MadeJournal, ImagesThatAreNotKnown) {
  EXPECT_THAT(told(), IsSupersetOf({"vm1 images: no disk of it is known -> start QEMU with a monitor (-qmp "
                                    "unix:PATH,server=on,wait=off)"}));
  mapped("d0", "", {"not followed"});
  EXPECT_THAT(told(), IsSupersetOf({"vm1 images: d0: not followed"}));
  more_.emplace_back(run::ExtentsRecord{"vm1", "d0", HostTsc(2), "extents.0", {"8 bytes have no place"}});
  for (const char* device : {"d1", "d2", "d3", "d4", "d5"}) mapped(device, "", {"none"});
  EXPECT_THAT(told(),
              IsSupersetOf({"vm1 images, but: d0: 8 bytes have no place; d1: none; d2: none; d3: none; "
                            "and 2 more"}));
  guest_.qemu_pid = 0;
  EXPECT_THAT(told(), IsSupersetOf({"vm1 images: its QEMU process is not known"}));
}

TEST_F(MadeJournal, BuffersThatNobodyCountedAtTheEnd) {
  counted("host", false);
  EXPECT_THAT(told(),
              IsSupersetOf({"host counters: the recording has not ended, or its recorder died -> let the "
                            "recording end; ivtrace cleanup after its recorder's death"}));
  ended();
  EXPECT_THAT(told(), IsSupersetOf({"host counters: its trace buffers were not counted at the end",
                                    "vm1 counters: its trace buffers were not counted at the end"}));
}

TEST_F(MadeJournal, AClockThatHoldsForSomeCpusOnly) {
  pages_of_ = {0, 1, 2};
  EXPECT_THAT(told(), IsSupersetOf({"vm1 clock: no trustworthy relation to the host's TSC was found"}));
  aligned(1);
  EXPECT_THAT(
      told(),
      IsSupersetOf({"vm1 clock: no trustworthy relation to the host's TSC was found for its CPUs 0, 2"}));
}

}  // namespace
}  // namespace ivtrace::query
