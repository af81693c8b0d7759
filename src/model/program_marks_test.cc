#include "model/program_marks.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "model/marks_test_support.h"

namespace ivtrace::model {
namespace {

using Lines = std::vector<std::string>;

/// What the model makes of it, as lines in the order of their ends: "slice 7/8 read 1: 10-20 open". Its
/// problems too.
Lines lines_of(MadeMarks& made) {
  const run::RunReader run = made.open();
  auto events = *merge::RunEvents::open(run, {});
  Lines out;
  const ProgramMarks* all = nullptr;
  const auto name = [&](std::uint32_t number) { return all->names()[number]; };
  const auto at = [](HostTsc time) { return time.value - kMarksBegin; };
  ProgramMarks marks(
      run, events,
      {[&](const MarkSlice& slice) {
         out.push_back(fmt::format("slice {}/{} {} {}: {}-{}{}{}", slice.tgid, slice.tid, name(slice.name),
                                   slice.depth, at(slice.from), at(slice.until), slice.open ? " open" : "",
                                   slice.doubtful ? " doubtful" : ""));
       },
       [&](const MarkInstant& mark) {
         out.push_back(
             fmt::format("instant {}/{} {}: {}", mark.tgid, mark.tid, name(mark.name), at(mark.time)));
       },
       [&](const MarkCounter& counter) {
         out.push_back(fmt::format("counter {} {}={}: {}-{}{}", counter.tgid, name(counter.name),
                                   counter.value, at(counter.from), at(counter.until),
                                   counter.open ? " open" : ""));
       }});
  all = &marks;
  HostTsc end{kMarksBegin};
  for (merge::MergedEvent event; events.next(event); end = event.time) marks.look(event);
  marks.finish(end);
  made.problems = marks.problems();
  return out;
}

TEST(ProgramMarks, SlicesOfAThreadNest) {
  MadeMarks made;
  made.text(10, 8, "B|7|outer")
      .text(20, 9, "B|7|other thread")
      .text(30, 8, "B|7|inner")
      .text(40, 8, "I|7|here");
  made.text(50, 8, "E|7").text(60, 9, "E|7").text(70, 8, "B|7|again").text(80, 8, "E|7").text(90, 8, "E|7");
  EXPECT_EQ(lines_of(made),
            (Lines{"instant 7/8 here: 40", "slice 7/8 inner 1: 30-50", "slice 7/9 other thread 0: 20-60",
                   "slice 7/8 again 1: 70-80", "slice 7/8 outer 0: 10-90"}));
  EXPECT_EQ(made.problems, Lines());
}

TEST(ProgramMarks, AScriptsMarksBelongToItsShellWhoeverWritesThem) {
  MadeMarks made;
  made.text(10, 101, R"(mark:begin tgid=7 tid=7 name="all")")
      .text(20, 102, R"(mark:begin tgid=7 tid=7 name="part")");
  made.text(30, 103, "mark:end tgid=7 tid=7").text(40, 104, "mark:end tgid=7 tid=7");
  EXPECT_EQ(lines_of(made), (Lines{"slice 7/7 part 1: 20-30", "slice 7/7 all 0: 10-40"}));
}

TEST(ProgramMarks, WhatIsNotClosedEndsWithTheRunAndWhatIsNotBegunIsCounted) {
  MadeMarks made;
  made.text(10, 8, "E|7")
      .text(20, 8, "B|7|outer")
      .text(30, 8, "B|7|inner")
      .text(40, 9, "E|7")
      .text(50, 9, "I|7|last");
  EXPECT_EQ(lines_of(made), (Lines{"instant 7/9 last: 50", "slice 7/8 inner 1: 30-50 open",
                                   "slice 7/8 outer 0: 20-50 open"}));
  EXPECT_EQ(made.problems,
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
  EXPECT_EQ(lines_of(made),
            (Lines{"slice 8/8 inner 2: 30-40", "slice 8/8 lives 1: 20-50", "slice 7/8 died 0: 10-70"}));
}

TEST(ProgramMarks, ASliceWithAHoleInItIsDoubtful) {
  MadeMarks made;
  made.text(10, 8, "B|7|outer").text(20, 8, "B|7|before").text(30, 8, "E|7").lose().text(40, 8, "B|7|behind");
  made.text(50, 8, "E|7").text(60, 8, "E|7");
  EXPECT_EQ(lines_of(made), (Lines{"slice 7/8 before 1: 20-30", "slice 7/8 behind 1: 40-50",
                                   "slice 7/8 outer 0: 10-60 doubtful"}));
}

TEST(ProgramMarks, ACountersValueHoldsUntilTheNext) {
  MadeMarks made;
  made.text(10, 8, "C|7|queue|1")
      .text(20, 9, "C|7|queue|-2")
      .text(30, 8, "C|8|queue|5")
      .text(40, 8, "C|7|free|3");
  made.text(50, 8, "C|7|queue|1");
  EXPECT_EQ(lines_of(made),
            (Lines{"counter 7 queue=1: 10-20", "counter 7 queue=-2: 20-50", "counter 7 queue=1: 50-50 open",
                   "counter 7 free=3: 40-50 open", "counter 8 queue=5: 30-50 open"}));
}

TEST(ProgramMarks, BeginsWithoutEndTakeABoundedPlace) {
  MadeMarks made;
  constexpr std::size_t kMore = 10;
  for (std::uint64_t i = 0; i < ProgramMarks::kMaxDepth + kMore; ++i) made.text(i, 8, "B|7|x");
  EXPECT_EQ(lines_of(made).size(), ProgramMarks::kMaxDepth);
  EXPECT_EQ(made.problems, Lines{"marks of programs: 10 slices are left out: too many were open at once"});
}

TEST(ProgramMarks, NamesAndCountersTakeABoundedPlace) {
  MadeMarks made;
  constexpr std::uint64_t kCount = ProgramMarks::kMaxNames + 4;  // name 0 is none
  for (std::uint64_t i = 0; i < kCount; ++i) made.text(i, 8, "C|7|" + std::to_string(i) + "|1");
  const Lines lines = lines_of(made);
  EXPECT_EQ(made.problems,
            Lines{"marks of programs: 5 are without their name: there are too many different ones"});
  // Those without a name are one counter.
  EXPECT_EQ(lines.size(), kCount);
  EXPECT_EQ(lines[0], fmt::format("counter 7 =1: {}-{}", kCount - 5, kCount - 4));
}

TEST(ProgramMarks, ProbesOnThePointsOfTheHeaderAreMarks) {
  MadeMarks made;
  made.probed_begin(10, 8, "out|er").probed_instant(20, 8, "here").probed_counter(30, 8, "queue", -2);
  made.probed_begin(40, 8, "inner", true)
      .probed_end(50, 8)
      .probed_end(60, 8)
      .probed_counter(70, 9, "queue", 5);
  EXPECT_EQ(lines_of(made),
            (Lines{"instant 0/8 here: 20", "slice 0/8 inner 1: 40-50", "slice 0/8 out_er 0: 10-60",
                   "counter 0 queue=-2: 30-70", "counter 0 queue=5: 70-70 open"}));
  EXPECT_EQ(made.problems, Lines());
}

TEST(ProgramMarks, ProbesOfAnotherProviderAreNoMarks) {
  MadeMarks made;
  made.others_begin(10, 8).probed_instant(20, 8, "here");
  EXPECT_EQ(lines_of(made), (Lines{"instant 0/8 here: 20"}));
}

TEST(ProgramMarks, AProbedThreadHasTheProcessThatItWasSeenToBeginIn) {
  MadeMarks made;
  made.new_task(1, 1, 7, false).new_task(2, 7, 8, true).new_task(3, 5, 6, true);
  made.probed_instant(10, 7, "a").probed_instant(20, 8, "b").probed_instant(30, 6, "c");
  made.new_task(40, 1, 8, false).probed_instant(50, 8, "d");
  EXPECT_EQ(lines_of(made),
            (Lines{"instant 7/7 a: 10", "instant 7/8 b: 20", "instant 0/6 c: 30", "instant 8/8 d: 50"}));
}

TEST(ProgramMarks, AMarkThatWasWrittenAndProbedIsOne) {
  MadeMarks made;
  made.text(10, 8, "B|7|a").probed_begin(11, 8, "a").text(20, 9, "B|7|b").text(21, 8, "I|7|i");
  made.probed_begin(22, 9, "b").probed_instant(23, 8, "i").text(30, 8, "E|7").probed_end(31, 8);
  made.text(40, 8, "C|7|c|1").probed_counter(41, 8, "c", 1).text(50, 9, "E|7").probed_end(51, 9);
  EXPECT_EQ(lines_of(made), (Lines{"instant 7/8 i: 21", "slice 7/8 a 0: 10-30", "slice 7/9 b 0: 20-50",
                                   "counter 7 c=1: 40-51 open"}));
}

TEST(ProgramMarks, ASignalHandlersMarksStandBetweenAMarkAndItsEcho) {
  MadeMarks made;
  made.text(10, 8, "B|7|a")
      .text(11, 8, "B|7|h")
      .probed_begin(12, 8, "h")
      .text(13, 8, "E|7")
      .probed_end(14, 8);
  made.probed_begin(15, 8, "a").text(20, 8, "E|7").probed_end(21, 8);
  EXPECT_EQ(lines_of(made), (Lines{"slice 7/8 h 1: 11-13", "slice 7/8 a 0: 10-20"}));
}

TEST(ProgramMarks, TheProbeCountsWhereTheTextIsLostAndTheTextWhereTheProbeIs) {
  MadeMarks made;
  made.text(10, 8, "I|7|a").lose().text(20, 8, "I|7|b").probed_instant(21, 8, "b").lose();
  made.probed_instant(30, 8, "c").text(40, 8, "I|7|d").probed_instant(41, 8, "d");
  EXPECT_EQ(lines_of(made),
            (Lines{"instant 7/8 a: 10", "instant 7/8 b: 20", "instant 0/8 c: 30", "instant 7/8 d: 40"}));
}

TEST(MarkEchoes, ForgetTheOutermostOfTooMany) {
  MarkEchoes echoes;
  echoes.written(8, MarkKind::kEnd);
  for (int i = 0; i < 7; ++i) echoes.written(8, MarkKind::kBegin);
  EXPECT_FALSE(echoes.is_echo(8, MarkKind::kEnd));
  EXPECT_TRUE(echoes.is_echo(8, MarkKind::kBegin));
  EXPECT_FALSE(echoes.is_echo(9, MarkKind::kBegin));
  echoes.forget();
  EXPECT_FALSE(echoes.is_echo(8, MarkKind::kBegin));
}

}  // namespace
}  // namespace ivtrace::model
