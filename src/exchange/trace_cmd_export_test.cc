#include "exchange/trace_cmd_export.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "base/fd.h"
#include "exchange/exporter.h"
#include "exchange/trace_cmd_import.h"
#include "exchange/trace_dat_reader.h"
#include "query/bench_run.h"
#include "run/run_test_support.h"

namespace ivtrace::exchange {
namespace {

namespace fs = std::filesystem;

/// An event as it is compared: no byte of it may differ.
struct Seen {
  std::string machine;
  std::string buffer;
  std::uint32_t cpu = 0;
  std::uint64_t time = 0;
  std::string record;
  bool operator==(const Seen&) const = default;
};

std::vector<Seen> events_of(const run::RunReader& run, const merge::Filter& filter = {}) {
  merge::RunEvents events = merge::RunEvents::open(run, filter).value();
  std::vector<Seen> seen;
  for (merge::MergedEvent event; events.next(event);) {
    if (event.loss != nullptr) continue;
    seen.push_back({std::string(event.stream->machine_name), std::string(event.stream->buffer),
                    event.stream->cpu.value, event.time.value,
                    std::string(reinterpret_cast<const char*>(event.record.data()), event.record.size())});
  }
  return seen;
}

std::uint64_t losses_of(const run::RunReader& run) {
  merge::RunEvents events = merge::RunEvents::open(run, {}).value();
  std::uint64_t losses = 0;
  for (merge::MergedEvent event; events.next(event);) losses += event.loss != nullptr ? 1 : 0;
  return losses;
}

class TraceCmdExport : public testing::Test {
 protected:
  void SetUp() override { make(20'000); }
  void make(std::uint64_t events) {
    fs::remove_all(run_path());
    query::write_bench_run(run_path(), query::Mix::kReads, events);
  }
  std::string run_path() const { return directory_ / "run.ivt"; }
  run::RunReader open(const std::string& path) const { return run::RunReader::open(path).value(); }
  clock::HostClock clock_of(const run::RunReader& run) const {
    return clock::HostClock::create(run.anchors(), run.manifest().start_tsc, 0).value();
  }
  void append(const run::Record& record) {
    IVT_CHECK(run::RunWriter::reopen(run_path()).value()->append(record).ok());
  }

  Result<Summary> write(const merge::Filter& filter = {}) {
    const run::RunReader run = open(run_path());
    const clock::HostClock clock = clock_of(run);
    Request request;
    request.out = directory_ / "out";
    request.force = true;
    request.filter = filter;
    NoProgress progress;
    return write_export(*find_exporter("trace-cmd"), run, clock, request, progress);
  }
  std::string dat(const std::string& machine) const { return directory_ / ("out/" + machine + ".dat"); }
  /// What was written, as a run again.
  run::RunReader back(const std::vector<std::string>& machines) {
    ImportRequest request;
    for (const std::string& machine : machines) request.files.push_back(dat(machine));
    request.out = directory_ / "back.ivt";
    request.force = true;
    NoProgress progress;
    const auto summary = import_trace_cmd(request, progress);
    EXPECT_TRUE(summary.ok()) << summary.error().message;
    return open(request.out);
  }

  run::ScratchDirectory directory_;
};

TEST_F(TraceCmdExport, ComesBackAsItWas) {
  const auto summary = write();
  ASSERT_TRUE(summary.ok()) << summary.error().message;
  EXPECT_FALSE(summary->incomplete);
  const auto before = events_of(open(run_path()));
  EXPECT_EQ(summary->events, before.size());
  const run::RunReader again = back({"host", "vm1", "vm2"});
  EXPECT_EQ(events_of(again), before);
  EXPECT_EQ(again.manifest().start_tsc, HostTsc(query::kBegin));
  EXPECT_EQ(clock_of(again).to_ns(HostTsc(query::kBegin + 1'000'000)).value, 1'000'000);
  const run::Machine& vm1 = *again.find("vm1");
  EXPECT_EQ(vm1.info.accel, "kvm");
  ASSERT_EQ(vm1.vcpus.size(), 1u);
  EXPECT_EQ(vm1.vcpus[0].thread, model::kVcpuThread);
  EXPECT_EQ(again.end()->reason, "imported");
}

TEST_F(TraceCmdExport, TheKernelsSubBuffersStayAsTheyAre) {
  ASSERT_TRUE(write().ok());
  const std::string pages = read_file(run_path() + "/host/cpu0.pages").value();
  const std::string file = read_file(dat("host")).value();
  const TraceDat dat = read_trace_dat(std::as_bytes(std::span(file))).value();
  const TraceDatCpu& cpu = dat.buffers[0].cpus[0];
  EXPECT_EQ(file.substr(cpu.offset, cpu.size), pages);
  EXPECT_EQ(cpu.offset % 4096, 0u) << "they are mapped";
}

TEST_F(TraceCmdExport, AGuestBehindTheHostIsShifted) {
  run::EpochRecord epoch;
  epoch.machine = "vm1";
  epoch.epoch.valid_from = GuestTsc(1);
  epoch.epoch.source = clock::ClockSource::kKvmDebugfs;
  epoch.epoch.relation.offset = -12'345;
  append(epoch);
  ASSERT_TRUE(write().ok());
  const std::string file = read_file(dat("vm1")).value();
  const TraceDat told = read_trace_dat(std::as_bytes(std::span(file))).value();
  ASSERT_TRUE(told.time_shift);
  EXPECT_EQ(told.time_shift->cpus[0][0].offset, 12'345);
  EXPECT_EQ(events_of(back({"host", "vm1", "vm2"})), events_of(open(run_path())));
}

TEST_F(TraceCmdExport, AGuestWithAScaledClockOrSeveralIsWrittenInTheHostsTime) {
  run::EpochRecord epoch;
  epoch.epoch.valid_from = GuestTsc(1);
  epoch.epoch.source = clock::ClockSource::kKvmDebugfs;
  epoch.epoch.relation = {77, (3ull << 47) + 12'345, 48};
  epoch.machine = "vm1";
  append(epoch);
  epoch.epoch.relation = {-400, 1, 0};
  epoch.epoch.valid_from = GuestTsc(query::kBegin + 10'000'000);
  epoch.epoch.uncertain = 5'000'000;
  epoch.machine = "vm2";
  append(epoch);
  ASSERT_TRUE(write().ok());
  EXPECT_EQ(events_of(back({"host", "vm1", "vm2"})), events_of(open(run_path())));
}

TEST_F(TraceCmdExport, ARangeIsCutToTheEvent) {
  merge::Filter filter;
  filter.range.from = HostTsc(query::kBegin + 7'000'123);
  filter.range.until = HostTsc(query::kBegin + 21'000'456);
  const auto summary = write(filter);
  ASSERT_TRUE(summary.ok());
  const auto wanted = events_of(open(run_path()), filter);
  ASSERT_GT(wanted.size(), 1000u);
  EXPECT_EQ(summary->events, wanted.size());
  EXPECT_EQ(events_of(back({"host", "vm1", "vm2"})), wanted);
}

TEST_F(TraceCmdExport, MachinesAreChosen) {
  merge::Filter filter;
  filter.machines = {"vm2"};
  ASSERT_TRUE(write(filter).ok());
  EXPECT_FALSE(fs::exists(dat("host")));
  EXPECT_FALSE(fs::exists(dat("vm1")));
  EXPECT_TRUE(fs::exists(dat("vm2")));
}

TEST_F(TraceCmdExport, DamageAndLossesDoNotSpoilTheRest) {
  // A page whose events were overwritten before it, one that is nonsense, and one that is cut.
  const std::string path = run_path() + "/host/cpu0.pages";
  std::string pages = read_file(path).value();
  ASSERT_GT(pages.size(), 6 * 4096u);
  std::uint64_t commit = 0;
  std::memcpy(&commit, pages.data() + 4096 + 8, sizeof commit);
  commit |= format::kMissedEvents;
  std::memcpy(pages.data() + 4096 + 8, &commit, sizeof commit);
  std::memset(pages.data() + 2 * 4096 + 600, 0xff, 64);
  std::memset(pages.data() + 3 * 4096, 0xff, 16);
  ASSERT_TRUE(replace_file(path, pages.substr(0, 6 * 4096 + 50)).ok());
  const auto summary = write();
  ASSERT_TRUE(summary.ok());
  EXPECT_TRUE(summary->incomplete);
  const run::RunReader again = back({"host", "vm1", "vm2"});
  EXPECT_EQ(events_of(again), events_of(open(run_path())));
  EXPECT_GE(losses_of(again), 1u);
}

TEST_F(TraceCmdExport, AGuestWithoutAClockIsLeftOutAndTold) {
  run::MachineRecord vm;
  vm.name = "vm3";
  vm.kind = "guest";
  append(vm);
  fs::copy(run_path() + "/vm1", run_path() + "/vm3", fs::copy_options::recursive);
  run::SegmentRecord segment;
  segment.machine = "vm3";
  append(segment);
  const auto summary = write();
  ASSERT_TRUE(summary.ok());
  EXPECT_FALSE(fs::exists(dat("vm3")));
  ASSERT_EQ(summary->notices.size(), 1u);
  EXPECT_NE(summary->notices[0].find("vm3 has no trustworthy relation"), std::string::npos);
  merge::Filter filter;
  filter.machines = {"vm3"};
  EXPECT_FALSE(write(filter).ok());
}

}  // namespace
}  // namespace ivtrace::exchange
