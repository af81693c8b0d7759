// Recording for real: this machine's own tracefs, a workload that counts for itself, and deaths at bad
// moments.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/fd.h"
#include "record/cleanup.h"
#include "record/event_count_test_support.h"
#include "record/recorder.h"
#include "record/registry.h"
#include "run/run_reader.h"
#include "tracefs/instance.h"
#include "tracefs/mount.h"

namespace ivtrace::record {
namespace {

class Record : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    if (auto dir = tracefs::TraceDir::open(); !dir) GTEST_SKIP() << "needs tracefs: " << dir.error().message;
    std::string pattern = ::testing::TempDir() + "ivtrace_record_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    scratch_ = pattern;
    config_.out = scratch_ + "/run.ivt";
    config_.state_directory = scratch_ + "/state";
    config_.find_guests = false;
    config_.use_kvm = false;
    config_.disk_floor = 0;
    config_.events = {"sched:sched_process_exit"};
    config_.duration = Nanoseconds{1'000'000'000};
  }
  void TearDown() override {
    if (!scratch_.empty()) std::filesystem::remove_all(scratch_);
  }

  Result<RecordSummary> record() {
    static const std::atomic<bool> never{false};
    return ivtrace::record::record(config_, {}, never);
  }
  static std::vector<std::string> all_instances() {
    auto dir = tracefs::TraceDir::open();
    auto names = tracefs::Instance::list(*dir);
    return names ? *names : std::vector<std::string>();
  }
  static std::vector<std::string> our_instances(std::int32_t pid) {
    std::vector<std::string> ours;
    for (const std::string& name : all_instances()) {
      if (recorder_of_instance(name) == pid) ours.push_back(name);
    }
    return ours;
  }

  std::string scratch_;
  RecordConfig config_;
};

/// Runs `count` processes that end at once: each is one sched_process_exit.
void run_processes(int count) {
  for (int i = 0; i < count; ++i) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    ::waitpid(pid, nullptr, 0);
  }
}

/// Mounts a small file system that nobody else sees.
bool mount_for_this_process(const std::string& disk, const char* options) {
  return ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("none", disk.c_str(), "tmpfs", 0, options) == 0;
}

TEST_F(Record, TheHostsBooksBalanceExactly) {
  // The command's 300 processes and itself end while it is recorded, each with one event.
  config_.duration.reset();
  config_.command = {"/bin/sh", "-c", "i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done"};
  auto summary = record();
  ASSERT_TRUE(summary.ok()) << summary.error().to_string();
  EXPECT_FALSE(summary->lost_anything);
  auto run = *run::RunReader::open(config_.out);
  EXPECT_TRUE(run.damage().empty());
  ASSERT_TRUE(run.end().has_value());
  std::uint64_t delivered = 0;
  for (const run::CountersRecord& counters : run.find("host")->counters) {
    EXPECT_TRUE(counters.final_counters);
    EXPECT_EQ(counters.counters.unread, 0u);
    EXPECT_EQ(counters.counters.overrun, 0u);
    delivered += counters.counters.delivered;
  }
  EXPECT_GE(delivered, 301u);
  EXPECT_EQ(events_of(run, "host"), delivered);
  EXPECT_GE(run.anchors().size(), 2u);
  EXPECT_TRUE(run.read_text("host", "formats").ok());
  EXPECT_TRUE(our_instances(::getpid()).empty());
  EXPECT_TRUE(
      std::filesystem::is_empty(config_.state_directory + "/") ||
      !std::filesystem::exists(config_.state_directory + "/ivtrace-" + std::to_string(::getpid()) + ".json"));
}

TEST_F(Record, AFilterByBareNameHolds) {
  config_.duration.reset();
  config_.filters = {{"sched_process_exit", "pid == 1"}};
  config_.command = {"/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do /bin/true; done"};
  const auto summary = record();
  ASSERT_TRUE(summary.ok()) << summary.error().to_string();
  EXPECT_EQ(events_of(*run::RunReader::open(config_.out), "host"), 0u);
}

TEST_F(Record, ACommandIsRecordedFromItsBeginningToItsEnd) {
  config_.duration.reset();
  config_.command = {"/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do /bin/true; done; exit 7"};
  auto summary = record();
  ASSERT_TRUE(summary.ok()) << summary.error().to_string();
  EXPECT_EQ(summary->reason, "command");
  ASSERT_TRUE(summary->command_status.has_value());
  EXPECT_EQ(WEXITSTATUS(*summary->command_status), 7);
  EXPECT_GE(events_of(*run::RunReader::open(config_.out), "host"), 11u);
}

TEST_F(Record, WhatCannotStartLeavesNothingBehind) {
  config_.events = {"sched:sched_swich"};
  auto wrong = record();
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.error().message.find("sched_switch"), std::string::npos) << wrong.error().to_string();
  config_.events = {"sched:sched_process_exit"};
  for (const auto& [event, expression] :
       {std::pair("sched_proces_exit", "prio > 1"), std::pair("sched:sched_process_exit", "priority > 1"),
        std::pair("sched_process_exit", "prio >"), std::pair("sched:*", "common_pid != 1")}) {
    config_.filters = {{event, expression}};
    EXPECT_EQ(record().error().code, ErrorCode::kInvalid) << event << " " << expression;
    EXPECT_FALSE(std::filesystem::exists(config_.out));
  }
  config_.filters.clear();
  config_.disk_floor = ~0ull;
  EXPECT_EQ(record().error().code, ErrorCode::kExhausted);
  config_.disk_floor = 0;
  config_.command = {"/nonexistent/program"};
  EXPECT_EQ(record().error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(config_.out));
  EXPECT_TRUE(our_instances(::getpid()).empty());
}

TEST_F(Record, AStartThatFailsHalfWayLeavesNoRun) {
  const pid_t child = ::fork();
  if (child == 0) {
    // A disk that has room for the run's first files and not for the formats.
    const std::string disk = scratch_ + "/disk";
    std::filesystem::create_directory(disk);
    if (!mount_for_this_process(disk, "size=16K")) ::_exit(77);
    config_.out = disk + "/run.ivt";
    config_.events = {"sched:*", "timer:*"};
    const auto failed = record();
    if (failed.ok()) ::_exit(1);
    if (std::filesystem::exists(config_.out)) ::_exit(2);
    config_.out = scratch_ + "/run.ivt";
    ::_exit(record().ok() ? 0 : 3);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "needs the right to mount in a namespace of its own";
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(our_instances(child).empty());
}

TEST_F(Record, SystemCallsWithoutQemuAreSaidToBeMissing) {
  config_.events = {"raw_syscalls:sys_enter"};
  config_.duration = Nanoseconds{1'200'000'000};
  std::vector<std::string> notices;
  RecordCallbacks callbacks;
  callbacks.notice = [&](const std::string& line) { notices.push_back(line); };
  const std::atomic<bool> never{false};
  ASSERT_TRUE(ivtrace::record::record(config_, callbacks, never).ok());
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_NE(notices.front().find("system calls"), std::string::npos);
  auto run = *run::RunReader::open(config_.out);
  EXPECT_EQ(run.find("host")->info.note, notices.front());
  EXPECT_EQ(events_of(run, "host"), 0u);
}

TEST_F(Record, ACommandIsNotStartedAfterTheStopSignal) {
  const std::atomic<bool> stopped{true};
  config_.command = {"/usr/bin/touch", scratch_ + "/started"};
  const auto summary = ivtrace::record::record(config_, {}, stopped);
  ASSERT_TRUE(summary.ok()) << summary.error().to_string();
  EXPECT_EQ(summary->reason, "signal");
  EXPECT_FALSE(summary->command_status.has_value());
  EXPECT_FALSE(std::filesystem::exists(scratch_ + "/started"));
}

TEST_F(Record, AnExistingRunIsNotTouched) {
  std::filesystem::create_directory(config_.out);
  EXPECT_EQ(record().error().code, ErrorCode::kBusy);
  EXPECT_TRUE(std::filesystem::is_empty(config_.out));
}

/// Starts a recorder in a child process and returns its pid once it is recording.
pid_t start_recorder(const RecordConfig& config) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    static const std::atomic<bool> never{false};
    auto summary = ivtrace::record::record(config, {}, never);
    ::_exit(summary ? 0 : 1);
  }
  for (int i = 0; i < 500; ++i) {
    auto run = run::RunReader::open(config.out);
    if (run && run->find("host") != nullptr && run->find("host")->files.size() > 0 &&
        run->anchors().size() > 0)
      break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return pid;
}

TEST_F(Record, AKilledRecorderIsSalvagedAndNothingElseIsTouched) {
  config_.duration = Nanoseconds{60'000'000'000};
  auto dir = tracefs::TraceDir::open();
  auto bystander = tracefs::Instance::create(*dir, "ivtrace_test_bystander");
  ASSERT_TRUE(bystander.ok()) << bystander.error().message;
  const pid_t recorder = start_recorder(config_);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  run_processes(200);
  ASSERT_EQ(::kill(recorder, SIGKILL), 0);
  ASSERT_EQ(::waitpid(recorder, nullptr, 0), recorder);
  EXPECT_FALSE(our_instances(recorder).empty());
  EXPECT_FALSE(run::RunReader::open(config_.out)->end().has_value());

  auto report = cleanup(config_.state_directory);
  ASSERT_TRUE(report.ok()) << report.error().message;
  for (const std::string& problem : report->problems) ADD_FAILURE() << problem;
  ASSERT_EQ(report->salvaged.size(), 1u);
  EXPECT_TRUE(our_instances(recorder).empty());
  const std::vector<std::string> left = all_instances();
  EXPECT_NE(std::find(left.begin(), left.end(), "ivtrace_test_bystander"), left.end());

  auto run = *run::RunReader::open(config_.out);
  ASSERT_TRUE(run.end().has_value());
  EXPECT_EQ(run.end()->reason, "salvaged");
  std::uint64_t delivered = 0;
  for (const run::CountersRecord& counters : run.find("host")->counters) {
    EXPECT_TRUE(counters.final_counters);
    delivered += counters.counters.delivered;
  }
  EXPECT_GE(events_of(run, "host"), 200u);
  EXPECT_LE(events_of(run, "host"), delivered);
  EXPECT_TRUE(cleanup(config_.state_directory)->nothing());
}

TEST_F(Record, TwoAtOnceAreRefusedByNameOfTheFirst) {
  config_.duration = Nanoseconds{60'000'000'000};
  const pid_t first = start_recorder(config_);
  RecordConfig second = config_;
  second.out = scratch_ + "/second.ivt";
  static const std::atomic<bool> never{false};
  auto refused = ivtrace::record::record(second, {}, never);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kBusy);
  EXPECT_NE(refused.error().message.find(std::to_string(first)), std::string::npos)
      << refused.error().message;
  auto report = cleanup(config_.state_directory);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->running_pid, first);
  EXPECT_FALSE(our_instances(first).empty());
  ::kill(first, SIGKILL);
  ::waitpid(first, nullptr, 0);
  EXPECT_TRUE(cleanup(config_.state_directory).ok());
  EXPECT_TRUE(our_instances(first).empty());
}

TEST_F(Record, TheSizeLimitEndsTheRecordingInGoodOrder) {
  config_.events = {"sched:*"};
  config_.max_bytes = 1u << 20;
  config_.duration = Nanoseconds{20'000'000'000};
  std::atomic<bool> done{false};
  std::thread load([&] {
    while (!done) run_processes(50);
  });
  auto summary = record();
  done = true;
  load.join();
  ASSERT_TRUE(summary.ok()) << summary.error().to_string();
  EXPECT_EQ(summary->reason, "size-limit");
  auto run = *run::RunReader::open(config_.out);
  ASSERT_TRUE(run.end().has_value());
  EXPECT_EQ(run.end()->reason, "size-limit");
  EXPECT_TRUE(run.damage().empty());
  std::uint64_t lost = 0;
  for (const run::CountersRecord& record : run.find("host")->counters) {
    const format::CpuCounters& counters = record.counters;
    lost += counters.overrun + counters.dropped + counters.commit_overrun + counters.unread;
  }
  EXPECT_EQ(summary->machines.front().lost, lost);
  EXPECT_EQ(summary->lost_anything, lost > 0) << "what the kernel's buffers still held is lost";
  std::uint64_t pages = 0;
  for (const run::PagesFile& file : run.find("host")->files) pages += file.size;
  // A splice moves what the pipe takes: each CPU may be that much beyond.
  EXPECT_LE(pages, config_.max_bytes + (64u << 10) * std::thread::hardware_concurrency());
}

TEST_F(Record, AFullDiskEndsTheRecordingWithTheJournalClosed) {
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string disk = scratch_ + "/disk";
    std::filesystem::create_directory(disk);
    if (!mount_for_this_process(disk, "size=6M")) ::_exit(77);
    config_.out = disk + "/run.ivt";
    config_.events = {"sched:*", "timer:*"};
    config_.duration = Nanoseconds{30'000'000'000};
    std::atomic<bool> done{false};
    std::thread load([&] {
      while (!done) run_processes(50);
    });
    auto summary = record();
    done = true;
    load.join();
    if (!summary) {
      std::fprintf(stderr, "%s\n", summary.error().to_string().c_str());
      ::_exit(2);
    }
    if (summary->reason != "disk-full" || !summary->lost_anything) ::_exit(3);
    auto run = run::RunReader::open(config_.out);
    if (!run || !run->end() || run->end()->reason != "disk-full") ::_exit(4);
    if (events_of(*run, "host") == 0) ::_exit(5);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "needs the right to mount in a namespace of its own";
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(our_instances(child).empty());
}

TEST(Registry, NamesOnlyRecordersInstances) {
  EXPECT_EQ(recorder_of_instance("ivtrace-12"), 12);
  EXPECT_EQ(recorder_of_instance("ivtrace-12-sys"), 12);
  EXPECT_EQ(recorder_of_instance("ivtrace-12-tsc"), 12);
  EXPECT_EQ(recorder_of_instance("ivtrace-12-check"), 12) << "of a doctor that was killed";
  for (const char* other : {"ivtrace-agent-12", "ivtrace-12-other", "ivtrace-", "ivtrace-0", "ivtrace--5",
                            "xivtrace-12", "ivtrace-12x", "other", ""}) {
    EXPECT_EQ(recorder_of_instance(other), 0) << other;
  }
}

TEST(Registry, AnEntryComesBackAndForeignInstancesAreRefused) {
  RegistryEntry entry;
  entry.pid = 12;
  entry.start_time = 99;
  entry.run = "/a/run.ivt";
  entry.instances = {{"ivtrace-12", ""}, {"ivtrace-12-tsc", "-"}};
  entry.rings = {{"vm1", "/dev/shm/x", ~0ull, 7, 8}};
  auto decoded = decode_entry(encode_entry(entry));
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(encode_entry(*decoded), encode_entry(entry));
  entry.instances = {{"precious", ""}};
  EXPECT_FALSE(decode_entry(encode_entry(entry)).ok());
  entry.instances = {{"ivtrace-13", ""}};
  EXPECT_FALSE(decode_entry(encode_entry(entry)).ok());
  const std::string whole = encode_entry(entry);
  for (std::size_t cut = 0; cut + 2 < whole.size(); ++cut)
    EXPECT_FALSE(decode_entry(whole.substr(0, cut)).ok());
}

}  // namespace
}  // namespace ivtrace::record
