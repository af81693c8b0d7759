#include "record/probe_journal.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <optional>

#include "run/run_reader.h"

namespace ivtrace::record {
namespace {

class ProbeJournalTest : public ::testing::Test {
 protected:
  ProbeJournalTest() {
    std::string pattern = ::testing::TempDir() + "ivtrace_probes_XXXXXX";
    IVT_CHECK(::mkdtemp(pattern.data()) != nullptr);
    scratch_ = pattern;
    writer_ = *run::RunWriter::create(scratch_ + "/run.ivt", run::Manifest{});
    space_.emplace(*SpaceBudget::create(scratch_, 1'000'000, 0));
    log_.emplace(*writer_, *space_);
    run::MachineRecord machine;
    machine.name = "vm1";
    log_->put(machine);
  }
  ~ProbeJournalTest() override { std::filesystem::remove_all(scratch_); }
  run::Machine machine() { return *run::RunReader::open(scratch_ + "/run.ivt")->find("vm1"); }

  const std::vector<format::ProbeState> states_ = {
      {"kprobe:vfs_read count", "kprobe:vfs_read", "p:g/vfs_read vfs_read count=%dx:u64", ""},
      {"kprobe:vfs_raed", "", "", "no function vfs_raed"}};
  std::string scratch_;
  std::unique_ptr<run::RunWriter> writer_;
  std::optional<SpaceBudget> space_;
  std::optional<RunLog> log_;
};

TEST_F(ProbeJournalTest, TellsWhatWasSetAndWhatWasNot) {
  ProbeJournal journal("vm1", *log_);
  journal.begun(states_);
  const auto begun = machine().tracers;
  ASSERT_EQ(begun.size(), 2u);
  EXPECT_EQ(begun[0].kind, "probe");
  EXPECT_EQ(begun[0].state, "armed");
  EXPECT_EQ(begun[0].source, "kprobe:vfs_read count");
  EXPECT_EQ(begun[0].detail, "p:g/vfs_read vfs_read count=%dx:u64");
  EXPECT_EQ(begun[0].events, std::vector<std::string>{"kprobe:vfs_read"});
  EXPECT_EQ(begun[1].state, "failed");
  EXPECT_EQ(begun[1].detail, "no function vfs_raed");
  journal.ended();
  EXPECT_EQ(machine().tracers[0].state, "ended");
  EXPECT_EQ(machine().tracers[1].state, "failed");
  EXPECT_TRUE(machine().losses.empty());
}

TEST_F(ProbeJournalTest, MissedHitsOfAllLivesOfTheAgentAreALoss) {
  ProbeJournal journal("vm1", *log_);
  journal.begun(states_);
  journal.counted(0, 3);
  journal.counted(0, 5);
  journal.counted(7, 100);  // nobody's
  EXPECT_EQ(journal.missed(), 5u);
  journal.begun(states_);  // the agent was started again, and counts from 0
  journal.counted(0, 2);
  EXPECT_EQ(journal.missed(), 7u);
  journal.ended();
  EXPECT_EQ(machine().tracers[0].lost, 7u);
  ASSERT_EQ(machine().losses.size(), 1u);
  EXPECT_EQ(machine().losses[0].reason, "probe-missed");
  EXPECT_EQ(machine().losses[0].events, 7u);
}

TEST(ProbesFor, AMachineGetsThoseThatNameItOrMatch) {
  const std::vector<ProbeRequest> requests = {{"vm1", "a"}, {"vm*", "b"}, {"host", "c"}, {"*", "d"}};
  EXPECT_EQ(probes_for(requests, "vm1"), (std::vector<std::string>{"a", "b", "d"}));
  EXPECT_EQ(probes_for(requests, "vm2"), (std::vector<std::string>{"b", "d"}));
  EXPECT_EQ(probes_for(requests, "host"), (std::vector<std::string>{"c", "d"}));
}

}  // namespace
}  // namespace ivtrace::record
