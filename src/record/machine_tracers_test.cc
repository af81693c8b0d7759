#include "record/machine_tracers.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "run/run_reader.h"

namespace ivtrace::record {
namespace {

/// Answers as it is told to, and keeps what it was asked.
class ScriptedPort : public TracerPort {
 public:
  void restart() override {
    ++restarts;
    last = {};
  }
  Status put_file(std::uint32_t, const std::string& name, std::string_view) override {
    files.push_back(name);
    return {};
  }
  Status compile(std::uint32_t, const std::vector<std::string>&) override { return {}; }
  Status start(std::uint32_t id, const std::string&, const std::vector<std::string>&) override {
    started.push_back(id);
    return {};
  }
  Result<format::Reply> poll() override {
    ++polls;
    if (replies.empty()) return last;
    Result<format::Reply> reply = std::move(replies.front());
    replies.pop_front();
    if (reply) last = *reply;
    last.lines.clear();
    last.more = false;
    return reply;
  }
  Result<format::Reply> stop() override {
    ++stops;
    return poll();
  }

  std::deque<Result<format::Reply>> replies;
  format::Reply last;
  std::vector<std::string> files;
  std::vector<std::uint32_t> started;
  int restarts = 0, polls = 0, stops = 0;
};

format::Reply state(const std::string& word, std::vector<std::string> lines = {}, bool more = false) {
  format::Reply reply;
  reply.tracers.push_back({1, word, "", "", 0, 0});
  for (std::string& text : lines) reply.lines.push_back({1, 1000 + reply.lines.size(), false, false, text});
  reply.more = more;
  return reply;
}

class MachineTracersTest : public ::testing::Test {
 protected:
  MachineTracersTest() {
    std::string pattern = ::testing::TempDir() + "ivtrace_tracers_XXXXXX";
    IVT_CHECK(::mkdtemp(pattern.data()) != nullptr);
    scratch_ = pattern;
    writer_ = *run::RunWriter::create(scratch_ + "/run.ivt", run::Manifest{});
    space_.emplace(*SpaceBudget::create(scratch_, 64 << 20, 0));
    log_.emplace(*writer_, *space_);
    run::MachineRecord vm1;
    vm1.name = "vm1";
    vm1.kind = "guest";
    IVT_CHECK(writer_->append(vm1).ok());
    IVT_CHECK(writer_->write_text("vm1", format::kFormatsName, "").ok());
  }
  ~MachineTracersTest() override { std::filesystem::remove_all(scratch_); }

  TracerRequest script(const std::string& folder = "a") {
    std::filesystem::create_directories(scratch_ + "/" + folder);
    const std::string path = scratch_ + "/" + folder + "/latency.bt";
    std::ofstream(path) << "BEGIN { }\n";
    return {"vm1", "bpftrace", path, {}};
  }
  std::unique_ptr<MachineTracers> begin(std::vector<TracerRequest> requests) {
    auto tracers = std::make_unique<MachineTracers>(
        "vm1", std::move(requests), *log_, [this](const std::string& line) { notices_.push_back(line); });
    tracers->begin(port_, {"6.12.0", true, nullptr}, 1);
    return tracers;
  }
  /// Ticks until all are started.
  void tick_until_started(MachineTracers& tracers, std::size_t count = 1) {
    for (int i = 0; i < 5000 && port_.started.size() < count; ++i) {
      tracers.tick();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ASSERT_EQ(port_.started.size(), count);
  }
  run::Machine machine() { return *run::RunReader::open(scratch_ + "/run.ivt")->find("vm1"); }
  std::string text(const std::string& name) {
    return *run::RunReader::open(scratch_ + "/run.ivt")->read_text("vm1", name);
  }

  std::string scratch_;
  std::unique_ptr<run::RunWriter> writer_;
  std::optional<SpaceBudget> space_;
  std::optional<RunLog> log_;
  ScriptedPort port_;
  std::vector<std::string> notices_;
};

TEST_F(MachineTracersTest, OneThatEndsByItselfIsHeardToTheLastLine) {
  auto tracers = begin({script()});
  tick_until_started(*tracers);
  port_.replies.push_back(state("armed"));
  tracers->tick();
  EXPECT_FALSE(tracers->busy());
  // It has ended, and there are more lines than one reply holds; the mailbox fails in between.
  port_.replies.push_back(state("ended", {"one", "two"}, true));
  port_.replies.push_back(Error(ErrorCode::kTimeout, "no reply"));
  port_.replies.push_back(state("ended", {"three"}, true));
  port_.replies.push_back(state("ended", {"four"}));
  EXPECT_FALSE(tracers->tick());
  EXPECT_TRUE(tracers->tick());
  tracers->stop();
  EXPECT_EQ(machine().tracers.at(0).state, "ended");
  EXPECT_EQ(machine().tracers.at(0).lines, 4u);
  EXPECT_FALSE(tracers->lost_anything());
  EXPECT_TRUE(machine().losses.empty());
}

TEST_F(MachineTracersTest, StopAsksUntilItIsHeard) {
  auto tracers = begin({script()});
  tick_until_started(*tracers);
  port_.replies.push_back(Error(ErrorCode::kTimeout, "no reply"));
  port_.replies.push_back(state("armed", {"on its way"}));
  port_.replies.push_back(state("ended", {"ivtrace-output @x: 3", "last"}));
  tracers->stop();
  EXPECT_EQ(port_.stops, 2);
  EXPECT_EQ(machine().tracers.at(0).state, "ended");
  EXPECT_EQ(machine().tracers.at(0).lines, 2u);
  EXPECT_EQ(text(machine().tracers.at(0).output), "@x: 3\n");
}

TEST_F(MachineTracersTest, AnAgentThatComesAgainForgetsNothing) {
  auto tracers = begin({script()});
  tick_until_started(*tracers);
  format::Reply lossy = state("armed", {"a", "b"});
  lossy.tracers[0].lost_events = 5;
  port_.replies.push_back(lossy);
  tracers->tick();
  tracers->begin(port_, {"6.12.0", true, nullptr}, 2);
  EXPECT_EQ(port_.restarts, 2);
  tick_until_started(*tracers, 2);
  port_.replies.push_back(state("armed", {"c"}));
  tracers->tick();
  port_.replies.push_back(state("ended"));
  tracers->stop();
  const run::Machine vm1 = machine();
  EXPECT_EQ(vm1.tracers.at(0).lines, 3u);
  EXPECT_EQ(vm1.tracers.at(0).lost, 5u);
  // The first life was cut off: nobody knows what it still had to tell.
  ASSERT_EQ(vm1.losses.size(), 1u);
  EXPECT_EQ(vm1.losses[0].reason, "tracer");
  EXPECT_FALSE(vm1.losses[0].events);
  EXPECT_TRUE(tracers->lost_anything());
}

TEST_F(MachineTracersTest, WhatATracerLostIsInTheLedgerOnce) {
  auto tracers = begin({script()});
  tick_until_started(*tracers);
  format::Reply lossy = state("ended", {"a"});
  lossy.tracers[0].lost_lines = 2;
  lossy.tracers[0].lost_events = 5;
  port_.replies.push_back(lossy);
  tracers->stop();
  ASSERT_EQ(machine().losses.size(), 1u);
  EXPECT_EQ(machine().losses[0].events, 7u);
}

TEST_F(MachineTracersTest, TwoScriptsOfOneNameDoNotMeet) {
  auto tracers = begin({script("a"), script("b")});
  tick_until_started(*tracers, 2);
  std::sort(port_.files.begin(), port_.files.end());
  EXPECT_EQ(port_.files, (std::vector<std::string>{"latency.bt", "latency_2.bt"}));
  format::Reply printed = state("armed", {"one"});
  printed.lines.push_back({2, 2000, false, false, "two"});
  port_.replies.push_back(printed);
  tracers->tick();
  const std::string formats = text(format::kFormatsName);
  EXPECT_NE(formats.find("file bpftrace/latency/format "), std::string::npos);
  EXPECT_NE(formats.find("file bpftrace/latency_2/format "), std::string::npos);
  port_.replies.push_back(state("ended"));
  port_.last.tracers.push_back({2, "ended", "", "", 0, 0});
}

TEST_F(MachineTracersTest, AScriptMayDeclareAnEventOfItsOwnName) {
  TracerRequest stap = script();
  std::filesystem::rename(stap.path, scratch_ + "/a/disk.ko");
  std::ofstream(scratch_ + "/a/disk.ko")
      << "\177ELF" << std::string_view("\0name=ivtrace_0123456789abcdef\0", 31)
      << std::string_view("\0vermagic=6.12.0 SMP\0", 21);
  stap.kind = "stap";
  stap.path = scratch_ + "/a/disk.ko";
  auto tracers = begin({stap});
  tick_until_started(*tracers);
  EXPECT_EQ(port_.files, std::vector<std::string>{"ivtrace_0123456789abcdef.ko"});
  port_.replies.push_back(
      state("armed", {"ivtrace-event disk u64 sector", "hello", "ivtrace-event disk u64 sector",
                      "ivtrace-event disk_text u64 sector"}));
  tracers->tick();
  const std::string formats = text(format::kFormatsName);
  EXPECT_NE(formats.find("file stap/disk/format "), std::string::npos);
  EXPECT_NE(formats.find("sector"), std::string::npos);
  EXPECT_NE(formats.find("file stap/disk_text/format "), std::string::npos);
  EXPECT_EQ(machine().tracers.at(0).events, (std::vector<std::string>{"stap:disk", "stap:disk_text"}));
  // What its lines are called already is no event of its own: said, not mixed up.
  const auto run = run::RunReader::open(scratch_ + "/run.ivt");
  ASSERT_EQ(run->notes().size(), 1u);
  EXPECT_NE(run->notes()[0].text.find("\"disk_text\", which is no name or is taken"), std::string::npos);
  port_.last.tracers.push_back({1, "ended", "", "", 0, 0});
}

TEST_F(MachineTracersTest, WhatAGuestDeclaresIsBoundedAndChecked) {
  auto tracers = begin({script()});
  tick_until_started(*tracers);
  const std::uint64_t before = writer_->journal_bytes();
  std::vector<std::string> lines = {"ivtrace-event disk u64 sector; string name", "ivtrace-event ../x u64 a",
                                    "ivtrace-event bad u65 a"};
  for (int i = 0; i < 2000; ++i) {
    lines.push_back("ivtrace-event disk u64 sector; string name");
    lines.push_back("ivtrace-event \x1b[2J u64 a");
    lines.push_back("ivtrace-event e" + std::to_string(i) + " u64 a");
  }
  port_.replies.push_back(state("armed", lines));
  tracers->tick();
  const std::string formats = text(format::kFormatsName);
  EXPECT_NE(formats.find("file stap/disk/format "), std::string::npos);
  EXPECT_EQ(formats.find(".."), std::string::npos);
  EXPECT_LE(machine().tracers.at(0).events.size(), 256u);
  EXPECT_LT(writer_->journal_bytes() - before, 64u << 10);
  EXPECT_LT(notices_.size(), 5u);
}

TEST_F(MachineTracersTest, AFewComplaintsAreNotesAndHowManyWereLeftOutIsOneToo) {
  auto tracers = begin({script()});
  tick_until_started(*tracers);
  format::Reply loud = state("armed");
  for (int i = 1; i <= 23; ++i)
    loud.lines.push_back({1, 1000, true, true, "no such map " + std::to_string(i)});
  port_.replies.push_back(loud);
  tracers->tick();
  const auto notes = [&] {
    std::vector<std::string> texts;
    const auto run = run::RunReader::open(scratch_ + "/run.ivt");
    for (const run::NoteRecord& note : run->notes()) texts.push_back(note.text);
    return texts;
  };
  ASSERT_EQ(notes().size(), 21u);
  EXPECT_EQ(notes()[19], "bpftrace latency: no such map 20");
  EXPECT_EQ(notes()[20], "bpftrace latency complains further, which is left out from here on");
  port_.replies.push_back(state("ended"));
  tracers->stop();
  ASSERT_EQ(notes().size(), 22u);
  EXPECT_EQ(notes()[21], "bpftrace latency: 3 lines of complaint were left out");
  EXPECT_EQ(machine().tracers.at(0).lines, 0u);
}

TEST_F(MachineTracersTest, AScriptThatIsNotThereIsToldAndTheOthersGoOn) {
  TracerRequest missing = script();
  missing.path = scratch_ + "/none.bt";
  auto tracers = begin({missing, script()});
  for (int i = 0; i < 5000 && (port_.started.empty() || notices_.empty()); ++i) {
    tracers->tick();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(port_.started, std::vector<std::uint32_t>{2});
  ASSERT_EQ(notices_.size(), 1u);
  EXPECT_NE(notices_[0].find("none.bt"), std::string::npos);
  tracers->tick();
  const run::Machine told = machine();  // whichever was ready first is the first one in there
  const auto first =
      std::find_if(told.tracers.begin(), told.tracers.end(), [](const auto& one) { return one.id == 1; });
  ASSERT_NE(first, told.tracers.end());
  EXPECT_EQ(first->state, "failed");
}

TEST_F(MachineTracersTest, WhatWasPreparedAheadIsStartedAtOnceForThatKernelOnly) {
  TracerRequest request = script();
  request.kind = "stap";
  PreparedTracer module;
  module.kind = "stap-module";
  module.file_name = "ivtrace_0123456789abcdef.ko";
  module.origin = "compiled on the host";
  AheadOfMachine ahead{"6.12.0", {}};
  ahead.made.emplace(1, module);
  MachineTracers tracers("vm1", {request}, *log_, [](const std::string&) {});
  tracers.begin(port_, {"6.12.0", true, &ahead}, 1);
  tracers.tick();
  EXPECT_EQ(port_.files, std::vector<std::string>{"ivtrace_0123456789abcdef.ko"});
  EXPECT_EQ(port_.started, std::vector<std::uint32_t>{1});
  port_.replies.push_back(state("armed"));
  tracers.tick();
  EXPECT_EQ(machine().tracers.at(0).detail, "compiled on the host");
  port_.replies.push_back(state("ended"));
  tracers.stop();
  EXPECT_FALSE(ahead.find(1, "6.1.0").has_value());
  EXPECT_FALSE(ahead.find(2, "6.12.0").has_value());
}

TEST(TracersOf, AMachineIsNamedOrMatched) {
  const std::vector<TracerRequest> all = {
      {"vm1", "stap", "a", {}}, {"vm*", "stap", "b", {}}, {"host", "stap", "c", {}}};
  EXPECT_EQ(tracers_of(all, "vm1").size(), 2u);
  EXPECT_EQ(tracers_of(all, "vm2").size(), 1u);
  EXPECT_EQ(tracers_of(all, "host").size(), 1u);
  EXPECT_TRUE(tracers_of(all, "other").empty());
}

TEST(ScriptName, IsAnIdentifier) {
  EXPECT_EQ(script_name("/x/disk-latency.v2.stp"), "disk_latency_v2");
  EXPECT_EQ(script_name("9.bt"), "_9");
  EXPECT_EQ(script_name(std::string(300, 'a') + ".bt").size(), 40u);
}

}  // namespace
}  // namespace ivtrace::record
