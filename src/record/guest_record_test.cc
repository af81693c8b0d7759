// A guest without a virtual machine: the real agent on this machine, with a file as its ring, recorded as
// "vm1". Guest and host then have the same TSC, so the true offset is known: 0. The workload is lines written
// to the agent's own instance, so the number of events is known too.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <set>
#include <thread>

#include "base/fd.h"
#include "record/cleanup.h"
#include "record/event_count_test_support.h"
#include "record/recorder.h"
#include "run/run_reader.h"
#include "tracefs/instance.h"
#include "tracefs/mount.h"

namespace ivtrace::record {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

bool eventually(const std::function<bool()>& condition) {
  const auto give_up = std::chrono::steady_clock::now() + seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return true;
}

std::string agent_program() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().string() + "/ivtrace-agent";
}

/// An agent process; ended when it goes.
class Agent {
 public:
  explicit Agent(const std::string& ring) {
    pid_ = ::fork();
    if (pid_ == 0) {
      ::execl(agent_program().c_str(), "ivtrace-agent", "--foreground", "--ring", ring.c_str(), nullptr);
      ::_exit(127);
    }
  }
  ~Agent() { end(SIGTERM); }
  void end(int signal_number) {
    if (pid_ <= 0) return;
    ::kill(pid_, signal_number);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  std::string instance() const { return "ivtrace-agent-" + std::to_string(pid_); }

 private:
  pid_t pid_ = 0;
};

class GuestRecord : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    auto dir = tracefs::TraceDir::open();
    if (!dir) GTEST_SKIP() << "needs tracefs: " << dir.error().message;
    if (!std::filesystem::exists(agent_program())) GTEST_SKIP() << "needs " << agent_program();
    dir_.emplace(*std::move(dir));
    std::string pattern = ::testing::TempDir() + "ivtrace_guest_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    scratch_ = pattern;
    ring_ = scratch_ + "/ring";
    ASSERT_TRUE(replace_file(ring_, "").ok());
    std::filesystem::resize_file(ring_, 8u << 20);
    config_.out = scratch_ + "/run.ivt";
    config_.state_directory = scratch_ + "/state";
    config_.find_guests = false;
    config_.use_kvm = false;
    config_.disk_floor = 0;
    config_.events = {"sched:sched_process_exit"};
    config_.extra_rings = {{"vm1", ring_}};
  }
  void TearDown() override {
    stop();
    if (!scratch_.empty()) std::filesystem::remove_all(scratch_);
  }

  void start() {
    stop_ = false;
    recorder_ = std::thread([this] { summary_ = ivtrace::record::record(config_, {}, stop_); });
  }
  void stop() {
    stop_ = true;
    if (recorder_.joinable()) recorder_.join();
  }
  bool recording(const Agent& agent) {
    auto instance = tracefs::Instance::adopt(*dir_, agent.instance());
    if (!instance) return false;
    instance->leave();
    // A new instance is on for a moment before it is set up: only with its event enabled it is ready.
    auto enabled = read_file_at(instance->dir_fd(), "events/sched/sched_process_exit/enable");
    auto on = read_file_at(instance->dir_fd(), "tracing_on");
    return enabled && on && enabled->starts_with("1") && on->starts_with("1");
  }
  /// Each line is one event in the agent's buffer.
  void write_lines(const Agent& agent, int count) {
    auto instance = tracefs::Instance::adopt(*dir_, agent.instance());
    ASSERT_TRUE(instance.ok()) << instance.error().message;
    instance->leave();
    auto marker = open_at(instance->dir_fd(), "trace_marker", O_WRONLY);
    ASSERT_TRUE(marker.ok());
    for (int i = 0; i < count; ++i) ASSERT_EQ(::write(marker->get(), "line\n", 5), 5);
  }
  run::RunReader open_run() {
    auto run = run::RunReader::open(config_.out);
    EXPECT_TRUE(run.ok());
    return *std::move(run);
  }
  static std::uint64_t delivered(const run::Machine& machine) {
    std::uint64_t sum = 0;
    for (const run::CountersRecord& counters : machine.counters) sum += counters.counters.delivered;
    return sum;
  }

  std::optional<tracefs::TraceDir> dir_;
  std::string scratch_;
  std::string ring_;
  RecordConfig config_;
  std::atomic<bool> stop_{false};
  std::thread recorder_;
  Result<RecordSummary> summary_ = Error(ErrorCode::kGone, "it did not run");
};

TEST_F(GuestRecord, TheGuestsBooksBalanceAndItsClockIsFound) {
  Agent agent(ring_);
  start();
  ASSERT_TRUE(eventually([&] { return recording(agent); }));
  write_lines(agent, 20'000);
  std::this_thread::sleep_for(milliseconds(2500));
  stop();
  ASSERT_TRUE(summary_.ok()) << summary_.error().to_string();
  EXPECT_FALSE(summary_->lost_anything);
  const run::RunReader run = open_run();
  EXPECT_TRUE(run.damage().empty());
  const run::Machine* vm = run.find("vm1");
  ASSERT_NE(vm, nullptr);
  EXPECT_FALSE(vm->info.host_only);
  for (const run::CountersRecord& counters : vm->counters) {
    EXPECT_TRUE(counters.final_counters);
    EXPECT_EQ(counters.counters.unread + counters.counters.overrun, 0u);
  }
  EXPECT_GE(events_of(run, "vm1"), 20'000u);
  EXPECT_EQ(events_of(run, "vm1"), delivered(*vm));
  EXPECT_TRUE(vm->losses.empty());
  ASSERT_FALSE(vm->epochs.empty());
  for (const clock::Epoch& epoch : vm->epochs) {
    EXPECT_LE(static_cast<std::uint64_t>(std::abs(epoch.relation.offset)), epoch.error);
  }
  for (const char* text : {"formats", "cmdlines", "kallsyms"})
    EXPECT_TRUE(run.read_text("vm1", text).ok()) << text;
}

TEST_F(GuestRecord, AnAgentThatComesLaterIsRecorded) {
  start();
  ASSERT_TRUE(eventually([&] {
    auto run = run::RunReader::open(config_.out);
    return run && run->find("vm1") != nullptr && !run->find("vm1")->info.note.empty();
  }));
  Agent agent(ring_);
  ASSERT_TRUE(eventually([&] { return recording(agent); }));
  write_lines(agent, 1000);
  stop();
  ASSERT_TRUE(summary_.ok());
  EXPECT_GE(events_of(open_run(), "vm1"), 1000u);
}

TEST_F(GuestRecord, AnAgentThatIsKilledAndStartedAgainGetsASegmentOfItsOwn) {
  start();
  auto first = std::make_unique<Agent>(ring_);
  ASSERT_TRUE(eventually([&] { return recording(*first); }));
  write_lines(*first, 1000);
  std::this_thread::sleep_for(milliseconds(1500));
  first->end(SIGKILL);
  Agent second(ring_);
  ASSERT_TRUE(eventually([&] { return recording(second); }));
  write_lines(second, 1000);
  stop();
  ASSERT_TRUE(summary_.ok());
  EXPECT_TRUE(summary_->lost_anything);
  const run::RunReader run = open_run();
  const run::Machine* vm = run.find("vm1");
  EXPECT_GE(events_of(run, "vm1"), 2000u);
  ASSERT_EQ(vm->gone.size(), 1u);
  EXPECT_EQ(vm->gone[0].what, "agent");
  EXPECT_FALSE(vm->losses.empty());
  // Of each life on its own, whichever CPU the lines were written on.
  std::set<std::uint64_t> generations;
  for (const run::PagesFile& file : vm->files) {
    for (const run::Segment& segment : file.segments) generations.insert(segment.generation);
  }
  EXPECT_EQ(generations.size(), 2u);
}

TEST_F(GuestRecord, WhatAKilledRecorderLeftInTheRingIsSavedExactly) {
  Agent agent(ring_);
  const pid_t recorder = ::fork();
  if (recorder == 0) {
    static const std::atomic<bool> never{false};
    auto summary = ivtrace::record::record(config_, {}, never);
    ::_exit(summary ? 0 : 1);
  }
  const bool began = eventually([&] { return recording(agent); });
  std::this_thread::sleep_for(seconds(1));
  if (began) write_lines(agent, 5000);
  ::kill(recorder, SIGKILL);
  ::waitpid(recorder, nullptr, 0);
  ASSERT_TRUE(began);
  write_lines(agent, 5000);
  auto report = cleanup(config_.state_directory);
  ASSERT_TRUE(report.ok()) << report.error().message;
  for (const std::string& problem : report->problems) ADD_FAILURE() << problem;
  const run::RunReader run = open_run();
  const run::Machine* vm = run.find("vm1");
  EXPECT_TRUE(run.damage().empty());
  EXPECT_EQ(run.end()->reason, "salvaged");
  for (const run::LossRecord& loss : vm->losses) ADD_FAILURE() << loss.reason << ": " << loss.detail;
  EXPECT_GE(events_of(run, "vm1"), 10'000u);
  EXPECT_EQ(events_of(run, "vm1"), delivered(*vm));
}

TEST_F(GuestRecord, ARingThatShrinksEndsOnlyItsGuest) {
  Agent agent(ring_);
  start();
  ASSERT_TRUE(eventually([&] { return recording(agent); }));
  write_lines(agent, 1000);
  std::this_thread::sleep_for(milliseconds(500));
  agent.end(SIGKILL);
  std::filesystem::resize_file(ring_, 0);
  std::this_thread::sleep_for(milliseconds(1500));
  stop();
  ASSERT_TRUE(summary_.ok()) << summary_.error().to_string();
  EXPECT_TRUE(summary_->lost_anything);
  const run::RunReader run = open_run();
  EXPECT_GE(events_of(run, "vm1"), 1000u);
  ASSERT_FALSE(run.find("vm1")->gone.empty());
  EXPECT_EQ(run.find("vm1")->gone[0].what, "ring");
  EXPECT_TRUE(run.end().has_value());
}

TEST_F(GuestRecord, ARingTooSmallOrOfAnotherLayoutIsSaidInOneLine) {
  std::filesystem::resize_file(ring_, 4096);
  start();
  std::this_thread::sleep_for(milliseconds(300));
  stop();
  ASSERT_TRUE(summary_.ok()) << summary_.error().to_string();
  const run::RunReader run = open_run();
  EXPECT_TRUE(run.find("vm1")->info.host_only);
  EXPECT_NE(run.find("vm1")->info.note.find("small"), std::string::npos) << run.find("vm1")->info.note;
}

}  // namespace
}  // namespace ivtrace::record
