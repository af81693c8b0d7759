#include "model/program_marks.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "decode/page_builder.h"
#include "run/run_test_support.h"
#include "run/run_writer.h"

namespace ivtrace::model {
namespace {

using Lines = std::vector<std::string>;

constexpr std::uint64_t kBegin = 10'000;
constexpr std::uint16_t kPrintId = 5;

/// A run of a host with one CPU whose threads wrote texts.
class MadeMarks {
 public:
  /// `at`: ticks since the run's start, rising; `tid`: who wrote it.
  MadeMarks& text(std::uint64_t at, std::int32_t tid, const std::string& text) {
    decode::Bytes record = decode::make_record(kPrintId, tid, 16);
    decode::append_bytes(record, text.c_str(), text.size() + 1);
    record.resize((record.size() + 3) & ~std::size_t{3});
    if (page_.events().size() + record.size() + 16 > kPageSize - format::kSubBufferHeader) turn();
    page_.event(static_cast<std::uint32_t>(at - last_), record);
    last_ = at;
    return *this;
  }
  /// Events were lost here.
  MadeMarks& lose() {
    turn();
    missed_ = true;
    return *this;
  }

  /// What the model makes of it, as lines in the order of their ends: "slice 7/8 read 1: 10-20 open".
  Lines lines() {
    turn();
    write();
    const run::RunReader run = *run::RunReader::open(path_);
    auto events = *merge::RunEvents::open(run, {});
    Lines out;
    const ProgramMarks* all = nullptr;
    const auto name = [&](std::uint32_t number) { return all->names()[number]; };
    ProgramMarks marks(
        run, events,
        {[&](const MarkSlice& slice) {
           out.push_back(fmt::format("slice {}/{} {} {}: {}-{}{}{}", slice.tgid, slice.tid, name(slice.name),
                                     slice.depth, slice.from.value - kBegin, slice.until.value - kBegin,
                                     slice.open ? " open" : "", slice.doubtful ? " doubtful" : ""));
         },
         [&](const MarkInstant& mark) {
           out.push_back(fmt::format("instant {}/{} {}: {}", mark.tgid, mark.tid, name(mark.name),
                                     mark.time.value - kBegin));
         },
         [&](const MarkCounter& counter) {
           out.push_back(fmt::format("counter {} {}={}: {}-{}{}", counter.tgid, name(counter.name),
                                     counter.value, counter.from.value - kBegin, counter.until.value - kBegin,
                                     counter.open ? " open" : ""));
         }});
    all = &marks;
    HostTsc end{kBegin};
    for (merge::MergedEvent event; events.next(event); end = event.time) marks.look(event);
    marks.finish(end);
    problems_ = marks.problems();
    return out;
  }
  const Lines& problems() const { return problems_; }

 private:
  static constexpr std::size_t kPageSize = 4096;

  void turn() {
    if (!page_.events().empty()) {
      const decode::Bytes slot = page_.slot(kPageSize, missed_);
      decode::append_bytes(pages_, slot.data(), slot.size());
      missed_ = false;
    }
    page_ = decode::PageBuilder(kBegin + last_);
  }
  void write() {
    run::Manifest manifest;
    manifest.start_tsc = HostTsc(kBegin);
    auto writer = *run::RunWriter::create(path_, manifest);
    run::MachineRecord machine;
    machine.name = "host";
    machine.kind = "host";
    machine.cpu_count = 1;
    ASSERT_TRUE(writer->append(machine));
    std::string formats;
    decode::append_format_file(formats, "ftrace/print/format",
                               "name: print\nID: 5\nformat:\n"
                               "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n"
                               "\tfield:char buf[];\toffset:16;\tsize:0;\tsigned:0;\n\nprint fmt: \"\"\n");
    ASSERT_TRUE(writer->write_text("host", format::kFormatsName, formats));
    ASSERT_TRUE(
        writer->append(run::SegmentRecord{"host", "", 0, 0, format::PageLayout::kSlots, kPageSize, 0}));
    auto fd = writer->open_pages("host", "", 0);
    ASSERT_TRUE(fd);
    ASSERT_TRUE(pwrite_all(fd->get(), pages_, 0, "pages"));
  }

  run::ScratchDirectory scratch_;
  std::string path_ = scratch_ / "run.ivt";
  decode::Bytes pages_;
  decode::PageBuilder page_{kBegin};
  std::uint64_t last_ = 0;
  bool missed_ = false;
  Lines problems_;
};

TEST(ProgramMarks, SlicesOfAThreadNest) {
  MadeMarks made;
  made.text(10, 8, "B|7|outer")
      .text(20, 9, "B|7|other thread")
      .text(30, 8, "B|7|inner")
      .text(40, 8, "I|7|here");
  made.text(50, 8, "E|7").text(60, 9, "E|7").text(70, 8, "B|7|again").text(80, 8, "E|7").text(90, 8, "E|7");
  EXPECT_EQ(made.lines(),
            (Lines{"instant 7/8 here: 40", "slice 7/8 inner 1: 30-50", "slice 7/9 other thread 0: 20-60",
                   "slice 7/8 again 1: 70-80", "slice 7/8 outer 0: 10-90"}));
  EXPECT_EQ(made.problems(), Lines());
}

TEST(ProgramMarks, AScriptsMarksBelongToItsShellWhoeverWritesThem) {
  MadeMarks made;
  made.text(10, 101, R"(mark:begin tgid=7 tid=7 name="all")")
      .text(20, 102, R"(mark:begin tgid=7 tid=7 name="part")");
  made.text(30, 103, "mark:end tgid=7 tid=7").text(40, 104, "mark:end tgid=7 tid=7");
  EXPECT_EQ(made.lines(), (Lines{"slice 7/7 part 1: 20-30", "slice 7/7 all 0: 10-40"}));
}

TEST(ProgramMarks, WhatIsNotClosedEndsWithTheRunAndWhatIsNotBegunIsCounted) {
  MadeMarks made;
  made.text(10, 8, "E|7")
      .text(20, 8, "B|7|outer")
      .text(30, 8, "B|7|inner")
      .text(40, 9, "E|7")
      .text(50, 9, "I|7|last");
  EXPECT_EQ(made.lines(), (Lines{"instant 7/9 last: 50", "slice 7/8 inner 1: 30-50 open",
                                 "slice 7/8 outer 0: 20-50 open"}));
  EXPECT_EQ(made.problems(),
            Lines{"marks of programs: 2 ends had no begin, which may lie before the recording"});
}

TEST(ProgramMarks, AnEndClosesNoSliceOfAnotherProcessThatHadTheThreadsNumber) {
  MadeMarks made;
  made.text(10, 8, "B|7|died")
      .text(20, 8, "B|8|lives")
      .text(30, 8, "B|8|inner")
      .text(40, 8, "E|8")
      .text(50, 8, "E|8");
  made.text(60, 8, "E|8").text(70, 8, "E");
  EXPECT_EQ(made.lines(),
            (Lines{"slice 8/8 inner 2: 30-40", "slice 8/8 lives 1: 20-50", "slice 7/8 died 0: 10-70"}));
}

TEST(ProgramMarks, ASliceWithAHoleInItIsDoubtful) {
  MadeMarks made;
  made.text(10, 8, "B|7|outer").text(20, 8, "B|7|before").text(30, 8, "E|7").lose().text(40, 8, "B|7|behind");
  made.text(50, 8, "E|7").text(60, 8, "E|7");
  EXPECT_EQ(made.lines(), (Lines{"slice 7/8 before 1: 20-30", "slice 7/8 behind 1: 40-50",
                                 "slice 7/8 outer 0: 10-60 doubtful"}));
}

TEST(ProgramMarks, ACountersValueHoldsUntilTheNext) {
  MadeMarks made;
  made.text(10, 8, "C|7|queue|1")
      .text(20, 9, "C|7|queue|-2")
      .text(30, 8, "C|8|queue|5")
      .text(40, 8, "C|7|free|3");
  made.text(50, 8, "C|7|queue|1");
  EXPECT_EQ(made.lines(),
            (Lines{"counter 7 queue=1: 10-20", "counter 7 queue=-2: 20-50", "counter 7 queue=1: 50-50 open",
                   "counter 7 free=3: 40-50 open", "counter 8 queue=5: 30-50 open"}));
}

TEST(ProgramMarks, BeginsWithoutEndTakeABoundedPlace) {
  MadeMarks made;
  constexpr std::size_t kMore = 10;
  for (std::uint64_t i = 0; i < ProgramMarks::kMaxDepth + kMore; ++i) made.text(i, 8, "B|7|x");
  EXPECT_EQ(made.lines().size(), ProgramMarks::kMaxDepth);
  EXPECT_EQ(made.problems(), Lines{"marks of programs: 10 slices are left out: too many were open at once"});
}

TEST(ProgramMarks, NamesAndCountersTakeABoundedPlace) {
  MadeMarks made;
  constexpr std::uint64_t kCount = ProgramMarks::kMaxNames + 4;  // name 0 is none
  for (std::uint64_t i = 0; i < kCount; ++i) made.text(i, 8, "C|7|" + std::to_string(i) + "|1");
  const Lines lines = made.lines();
  EXPECT_EQ(made.problems(),
            Lines{"marks of programs: 5 are without their name: there are too many different ones"});
  // Those without a name are one counter.
  EXPECT_EQ(lines.size(), kCount);
  EXPECT_EQ(lines[0], fmt::format("counter 7 =1: {}-{}", kCount - 5, kCount - 4));
}

}  // namespace
}  // namespace ivtrace::model
