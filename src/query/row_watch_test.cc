#include "query/row_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "model/io_test_support.h"
#include "query/query_test_support.h"

namespace ivtrace::query {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

/// What is told of each set, as lines.
class Told : public RowWatch {
 public:
  std::map<RowKind, Lines> sets;
  std::map<RowKind, int> begun;

 private:
  void begins(RowKind set) override {
    ++begun[set];
    sets[set].clear();
  }
  void put(RowKind set, const Span& row, const std::string& more) {
    sets[set].push_back(fmt::format("{} {} {}", row.from_ns, row.until_ns, more));
  }
  void take(const SchedSliceRow& row) override {
    put(RowKind::kSchedSlice, row, fmt::format("{} {} {}", row.machine, row.task.name(), row.owner));
  }
  void take(const VcpuSliceRow& row, const model::VcpuLane& lane, std::string_view exit) override {
    put(RowKind::kVcpuSlice, row, fmt::format("{} {}", lane.vcpus.front().thread.value, exit));
  }
  void take(const QemuSliceRow& row) override {
    put(RowKind::kQemuSlice, row, std::to_string(row.thread.tid));
  }
  void take(const IrqSliceRow& row, std::string_view name) override {
    put(RowKind::kIrqSlice, row, std::string(name));
  }
  void take(const BlockRequestRow& row, std::uint64_t id) override {
    put(RowKind::kBlockRequest, row, std::to_string(id));
  }
  void take(const IoRequestRow& row, std::uint64_t id, std::span<const IoPhaseRow> phases) override {
    std::string text = std::to_string(id);
    for (const IoPhaseRow& phase : phases)
      text += fmt::format(" {}/{}-{}", phase.request, phase.from_ns, phase.until_ns);
    put(RowKind::kIoRequest, row, text);
  }
  void take(const MarkSliceRow& row, std::string_view name) override {
    put(RowKind::kMarkSlice, row, fmt::format("{} {}", row.tid, name));
  }
  void take(const MarkInstantRow& row, std::string_view name) override {
    put(RowKind::kMarkInstant, row, fmt::format("{} {}", row.tid, name));
  }
  void take(const MarkCounterRow& row, std::string_view name) override {
    put(RowKind::kMarkCounter, row, fmt::format("{}={}", name, row.value));
  }
  void take(const LossRow& row) override {
    put(RowKind::kLoss, row, fmt::format("{} {}", row.machine, row.has_place));
  }
};

/// All rows of a run; `watch` may be nullptr.
class Reader {
 public:
  Reader(run::RunReader run, CacheUse cache, RowWatch* watch)
      : run_(std::move(run)),
        clock_(*clock::HostClock::create(run_.anchors(), run_.manifest().start_tsc)),
        rows_(run_, clock_, nullptr, notices_, cache) {
    rows_.tell(watch);
    for (std::size_t i = 0; i < kRowKinds; ++i) rows_.want(static_cast<RowKind>(i));
    for (std::size_t i = 0; i < kRowKinds; ++i) EXPECT_TRUE(rows_.make(static_cast<RowKind>(i)));
  }
  ModelRows& rows() { return rows_; }
  const clock::HostClock& clock() const { return clock_; }

 private:
  run::RunReader run_;
  clock::HostClock clock_;
  Notices notices_;
  ModelRows rows_;
};

void fill(model::MadeRun& made) {
  made.anchors = made.ended = true;
  made.entry(kStart + 10);
  made.exit(kStart + 20, 0x400);
  made.host_switch(kStart + 22, model::kVcpuThread, 0, 900, "hog");
  made.host_switch(kStart + 32, 900, 1, model::kVcpuThread, "CPU 0/KVM");
  made.entry(kStart + 35);
  made.guest(kStart + 37, 0, 77);
  made.lose();
  made.host_switch(kStart + 60, 5, 1, 499, "qemu");
  made.host_switch(kStart + 70, 499, 1, 6, "next");
  made.guest(kStart + 75, 77, 78);
}

TEST(RowWatch, IsToldOfEachRowInItsPlace) {
  model::MadeRun made;
  fill(made);
  Told told;
  Reader reader(made.open(), CacheUse::kNone, &told);
  const ModelRows& rows = reader.rows();
  const Lines& slices = told.sets[RowKind::kSchedSlice];
  ASSERT_EQ(slices.size(), rows.sched_slices().file().size());
  for (std::size_t i = 0; i < slices.size(); ++i) {
    const SchedSliceRow& row = rows.sched_slices()[i];
    EXPECT_EQ(slices[i], fmt::format("{} {} {} {} {}", row.from_ns, row.until_ns, row.machine,
                                     row.task.name(), row.owner));
  }
  EXPECT_EQ(told.sets[RowKind::kVcpuSlice].size(), rows.vcpu_slices().file().size());
  EXPECT_EQ(told.sets[RowKind::kQemuSlice].size(), rows.qemu_slices().file().size());
  EXPECT_EQ(told.sets[RowKind::kLoss].size(), rows.losses().file().size());
  EXPECT_THAT(told.sets[RowKind::kVcpuSlice], ::testing::Contains("20 22 500 npf"));
}

TEST(RowWatch, WhatIsMadeTwiceIsToldAnew) {
  model::MadeRun made;
  fill(made);
  Told told;
  Reader reader(made.open(), CacheUse::kNone, &told);
  EXPECT_EQ(reader.rows().walks(), 2u);
  EXPECT_EQ(told.begun[RowKind::kVcpuSlice], 2);
  EXPECT_EQ(told.sets[RowKind::kVcpuSlice].size(), reader.rows().vcpu_slices().file().size());
}

TEST(RowWatch, AWalkThatKnowsTheLossesOfTheOneBeforeIsNotRepeated) {
  model::MadeRun made;
  fill(made);
  const run::RunReader run = made.open();
  const auto clock = *clock::HostClock::create(run.anchors(), run.manifest().start_tsc);
  Notices notices;
  ModelRows rows(run, clock, nullptr, notices, CacheUse::kNone);
  ASSERT_TRUE(rows.make(RowKind::kSchedSlice));
  ASSERT_TRUE(rows.make(RowKind::kVcpuSlice));
  EXPECT_EQ(rows.walks(), 2u);
  Reader both(*run::RunReader::open(run.path()), CacheUse::kNone, nullptr);
  ASSERT_EQ(rows.vcpu_slices().file().size(), both.rows().vcpu_slices().file().size());
  for (std::uint64_t i = 0; i < rows.vcpu_slices().file().size(); ++i)
    EXPECT_EQ(rows.vcpu_slices()[i].until_ns, both.rows().vcpu_slices()[i].until_ns);
}

void expect_the_same_from_the_cache(const std::string& path) {
  Told walked;
  Reader first(*run::RunReader::open(path), CacheUse::kIfPossible, &walked);
  Told kept;
  Reader second(*run::RunReader::open(path), CacheUse::kIfPossible, &kept);
  if (second.rows().walks() > 0) GTEST_SKIP() << "nothing is kept here: is the disk full?";
  walked.sets.erase(RowKind::kQemuCall);  // of which nobody is told
  kept.sets.erase(RowKind::kQemuCall);
  EXPECT_EQ(kept.sets, walked.sets);
}

TEST(RowWatch, IsToldTheSameFromTheCache) {
  model::MadeRun made;
  fill(made);
  expect_the_same_from_the_cache(made.open().path());
}

TEST(RowWatch, ARequestComesWithItsPhases) {
  model::MadeIo made;
  made.anchors = made.ended = true;
  for (std::uint64_t at = 10; at < 1000; at += 200) {
    made.guest(at, model::kQueueId, at);
    made.guest(at + 10, model::kIssueId, at);
    made.host(at + 20, model::kQueueId, at);
    made.host(at + 25, model::kIssueId, at);
    made.host(at + 90, model::kCompleteId, at);
    made.guest(at + 100, model::kCompleteId, at);
  }
  const std::string path = made.open().path();
  Told told;
  Reader reader(*run::RunReader::open(path), CacheUse::kNone, &told);
  ASSERT_EQ(told.sets[RowKind::kIoRequest].size(), 5u);
  EXPECT_EQ(told.sets[RowKind::kIoRequest][1], "210 310 2 2/210-220 2/220-230 2/230-235 2/235-300 2/300-310");
  EXPECT_EQ(told.sets[RowKind::kBlockRequest].size(), 10u);
  expect_the_same_from_the_cache(path);
}

TEST(Database, OverRowsThatAreLentWalksNothing) {
  model::MadeRun made;
  fill(made);
  Reader reader(made.open(), CacheUse::kNone, nullptr);
  const std::uint64_t walks = reader.rows().walks();
  const auto database = Database::open(reader.rows(), reader.clock()).value();
  EXPECT_TRUE(database->incomplete());
  for (const TableInfo* table : database->tables()) {
    Statement statement = database->prepare(std::string("SELECT count(*) FROM ") + table->name).value();
    EXPECT_TRUE(statement.step().value());
  }
  EXPECT_EQ(database->walks(), walks);
}

}  // namespace
}  // namespace ivtrace::query
