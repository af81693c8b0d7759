// The run directory as a whole: what the writer wrote, cut, damaged or hostile, seen through the reader.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "run/run_reader.h"
#include "run/run_test_support.h"
#include "run/run_writer.h"

namespace ivtrace::run {
namespace {

MachineRecord machine_record(const std::string& name) {
  MachineRecord record;
  record.name = name;
  record.kind = name == "host" ? "host" : "guest";
  return record;
}

class Run : public ::testing::Test {
 protected:
  /// A run of a host and a guest with two segments.
  std::unique_ptr<RunWriter> write_sample() {
    auto created = RunWriter::create(path_, Manifest{});
    EXPECT_TRUE(created.ok());
    std::unique_ptr<RunWriter> run = *std::move(created);
    append(*run, machine_record("vm1"));
    append(*run, machine_record("host"));
    append(*run, SegmentRecord{"host", "", 0, 0, format::PageLayout::kSlots, 4096, 0});
    append(*run, SegmentRecord{"vm1", "", 0, 0, format::PageLayout::kPacked, 4096, 1});
    EXPECT_TRUE(write_all(run->open_pages("host", "", 0)->get(), std::as_bytes(std::span(page_)), "").ok());
    EXPECT_TRUE(write_all(run->open_pages("vm1", "", 0)->get(), std::as_bytes(std::span(page_)), "").ok());
    append(*run, MarkRecord{HostTsc{5}, {{"host", "", 0, 4096}, {"vm1", "", 0, 1000}}});
    append(*run, SegmentRecord{"vm1", "", 0, 1000, format::PageLayout::kPacked, 4096, 2});
    append(*run, MarkRecord{HostTsc{6}, {{"vm1", "", 0, 4096}}});
    append(*run, CountersRecord{"vm1", "", 1, false, {0, 1, 0, 0, 0, 0, 0, 0}});
    append(*run, CountersRecord{"vm1", "", 1, true, {0, 9, 0, 0, 0, 0, 0, 0}});
    append(*run, EndRecord{HostTsc{7}, "duration"});
    return run;
  }
  static void append(RunWriter& run, const Record& record) { ASSERT_TRUE(run.append(record).ok()); }
  std::string journal() { return path_ + "/journal.jsonl"; }

  ScratchDirectory scratch_;
  std::string path_ = scratch_ / "run.ivt";
  const std::string page_ = std::string(4096, 'p');
};

TEST_F(Run, ReadsBackWhatWasWritten) {
  write_sample();
  auto run = RunReader::open(path_ + "/");
  ASSERT_TRUE(run.ok()) << run.error().message;
  EXPECT_TRUE(run->damage().empty());
  ASSERT_EQ(run->machines().size(), 2u);
  EXPECT_EQ(run->machines()[0].info.name, "host");
  const Machine& vm = run->machines()[1];
  ASSERT_EQ(vm.files.size(), 1u);
  ASSERT_EQ(vm.files[0].segments.size(), 2u);
  EXPECT_EQ(vm.files[0].segments[0].end, 1000u);
  EXPECT_EQ(vm.files[0].segments[1].end, 4096u);
  EXPECT_EQ(vm.files[0].segments[1].generation, 2u);
  ASSERT_EQ(vm.files[0].marks.size(), 2u);
  EXPECT_EQ(vm.files[0].marks[1].bytes, 4096u);
  ASSERT_EQ(vm.counters.size(), 1u);
  EXPECT_EQ(vm.counters[0].counters.delivered, 9u);
  EXPECT_EQ(run->end()->reason, "duration");
  auto pages = run->map_pages(vm.files[0]);
  ASSERT_TRUE(pages.ok());
  EXPECT_EQ(pages->size(), 4096u);
}

TEST_F(Run, IsNeverOverwritten) {
  write_sample();
  auto again = RunWriter::create(path_, Manifest{});
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, ErrorCode::kBusy);
}

TEST_F(Run, JournalCutAtEveryByteLosesOnlyTheTornLine) {
  write_sample();
  const std::string whole = *read_file(journal());
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    std::filesystem::resize_file(journal(), whole.size());
    ASSERT_TRUE(replace_file(journal(), whole.substr(0, cut)).ok());
    auto run = RunReader::open(path_);
    ASSERT_TRUE(run.ok()) << run.error().message;
    for (const Damage& damage : run->damage())
      EXPECT_EQ(damage.reason, "the journal does not say how to read it");
    EXPECT_EQ(run->end().has_value(), cut == whole.size());
    // Every byte of a page file is in a segment, or is told to be unreadable.
    for (const Machine& machine : run->machines()) {
      std::uint64_t covered = 0;
      for (const PagesFile& file : machine.files) {
        for (const Segment& segment : file.segments) covered += segment.end - segment.begin;
      }
      for (const Damage& damage : run->damage()) {
        if (damage.machine == machine.info.name) covered += damage.bytes.value_or(0);
      }
      EXPECT_EQ(covered, 4096u) << machine.info.name << " cut " << cut;
    }
    auto reopened = RunWriter::reopen(path_);
    ASSERT_TRUE(reopened.ok());
    append(**reopened, EndRecord{HostTsc{8}, "salvaged"});
    EXPECT_EQ(RunReader::open(path_)->end()->reason, "salvaged") << cut;
  }
}

TEST_F(Run, PagesCutAtEveryByteAreDamageWithExactBytes) {
  write_sample();
  for (std::uint64_t cut = 4096; cut-- > 0;) {
    std::filesystem::resize_file(path_ + "/vm1/cpu0.pages", cut);
    auto run = RunReader::open(path_);
    ASSERT_TRUE(run.ok());
    ASSERT_EQ(run->damage().size(), 1u);
    EXPECT_EQ(run->damage()[0].bytes, 4096 - cut);
    std::uint64_t there = 0;
    for (const Segment& segment : run->find("vm1")->files[0].segments) there += segment.end - segment.begin;
    EXPECT_EQ(there, cut);
  }
}

TEST_F(Run, ManifestCutAtEveryByteLeavesTheRunReadable) {
  write_sample();
  const std::string whole = *read_file(path_ + "/manifest.json");
  for (std::size_t cut = 0; cut + 2 < whole.size(); ++cut) {
    ASSERT_TRUE(replace_file(path_ + "/manifest.json", whole.substr(0, cut)).ok());
    auto run = RunReader::open(path_);
    ASSERT_TRUE(run.ok()) << cut;
    EXPECT_EQ(run->damage().size(), 1u);
    EXPECT_EQ(run->machines().size(), 2u);
  }
}

TEST_F(Run, DamagedAndUnknownLinesAreToldAndTheRestIsRead) {
  write_sample();
  std::ofstream(journal(), std::ios::app) << "garbage\n"
                                          << R"({"type":"weather"})"
                                          << "\n"
                                          << R"({"type":"note","tsc":1,"machine":"","text":"still read"})"
                                          << "\n"
                                          << std::string(100, '\0') << "\n";
  auto run = RunReader::open(path_);
  ASSERT_TRUE(run.ok());
  ASSERT_EQ(run->damage().size(), 3u);
  EXPECT_EQ(run->damage()[1].reason, "unknown record type \"weather\"");
  EXPECT_EQ(run->notes().back().text, "still read");
}

TEST_F(Run, HostileRecordsNeitherLeaveTheDirectoryNorOverlap) {
  auto run = *RunWriter::create(path_, Manifest{});
  append(*run, machine_record("host"));
  std::ofstream(journal(), std::ios::app)
      << encode_record(machine_record("../../etc")) << "\n"
      << encode_record(SegmentRecord{"host", "../x", 0, 0, format::PageLayout::kSlots, 4096, 0}) << "\n"
      << encode_record(SegmentRecord{"host", "", 4000000000u, 0, format::PageLayout::kSlots, 4096, 0}) << "\n"
      << encode_record(SegmentRecord{"host", "", 0, 0, format::PageLayout::kSlots, 0, 0}) << "\n"
      << encode_record(SegmentRecord{"host", "", 0, 100, format::PageLayout::kSlots, 4096, 0}) << "\n"
      << encode_record(SegmentRecord{"host", "", 0, 50, format::PageLayout::kSlots, 4096, 0}) << "\n"
      << encode_record(SegmentRecord{"host", "", 0, ~0ull, format::PageLayout::kSlots, 4096, 0}) << "\n"
      << encode_record(MarkRecord{HostTsc{1}, {{"host", "", 0, ~0ull}}}) << "\n";
  std::filesystem::create_directory(path_ + "/host");
  std::ofstream(path_ + "/host/cpu0.pages") << page_;
  auto opened = RunReader::open(path_);
  ASSERT_TRUE(opened.ok());
  ASSERT_EQ(opened->machines().size(), 1u);
  ASSERT_EQ(opened->machines()[0].files.size(), 1u);
  for (const Segment& segment : opened->machines()[0].files[0].segments) {
    EXPECT_LE(segment.begin, segment.end);
    EXPECT_LE(segment.end, 4096u);
  }
  EXPECT_TRUE(opened->machines()[0].files[0].marks.empty());
  EXPECT_GE(opened->damage().size(), 6u);
}

TEST_F(Run, FifosAndLinksInPlaceOfFilesAreNotOpened) {
  write_sample();
  std::filesystem::remove(path_ + "/vm1/cpu0.pages");
  ASSERT_EQ(::mkfifo((path_ + "/vm1/cpu0.pages").c_str(), 0600), 0);
  std::filesystem::create_symlink("/etc/passwd", path_ + "/vm1/formats");
  auto run = RunReader::open(path_);
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->damage().size(), 1u);
  EXPECT_FALSE(run->read_text("vm1", "formats").ok());
}

TEST_F(Run, WhatIsNoRunIsSaid) {
  EXPECT_EQ(RunReader::open(scratch_ / "nothing").error().code, ErrorCode::kNotFound);
  std::filesystem::create_directory(path_);
  EXPECT_EQ(RunReader::open(path_).error().code, ErrorCode::kInvalid);
}

TEST_F(Run, DamageListIsBounded) {
  write_sample();
  {
    std::ofstream out(journal(), std::ios::app);
    for (int i = 0; i < 5000; ++i) out << "x\n";
  }
  auto run = RunReader::open(path_);
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->damage().size(), RunReader::kMaxDamage);
  EXPECT_EQ(run->damage_total(), 5000u);
}

TEST_F(Run, TheReserveOfTheJournalIsGivenBack) {
  write_sample().reset();
  struct stat info {};
  ASSERT_EQ(::stat(journal().c_str(), &info), 0);
  EXPECT_LT(info.st_blocks * 512, 64 * 1024);
}

}  // namespace
}  // namespace ivtrace::run
