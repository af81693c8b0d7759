#include "patterns/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "base/fd.h"
#include "model/slow_io_test_support.h"
#include "patterns/library.h"
#include "query/query_test_support.h"
#include "run/run_writer.h"

namespace ivtrace::patterns {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

/// A run by its journal: the host has sched_switch recorded, vm1 has events and a clock.
struct MadeMachines {
  bool has_vm1 = true;
  bool has_vm2 = false;  ///< without events
  std::vector<std::pair<std::string, format::CpuCounters>> counters;
  bool anchors = false;

  run::RunReader open() {
    run::Manifest manifest;
    manifest.profile = "io";
    manifest.start_tsc = HostTsc(query::kStart);
    auto writer = *run::RunWriter::create(scratch / "run.ivt", manifest);
    machine(*writer, "host", "host", true);
    if (has_vm1) machine(*writer, "vm1", "guest", true);
    if (has_vm2) machine(*writer, "vm2", "guest", false);
    for (const std::uint64_t second : {0, 1}) {
      const auto ns = static_cast<std::int64_t>(second * 1'000'000'000);
      const HostTsc tsc(query::kStart + second * 1'000'000'000);
      EXPECT_TRUE(writer->append(
          run::AnchorRecord{{tsc, 10, Nanoseconds{ns}, Nanoseconds{ns}, Nanoseconds{ns}, -1, -1}}));
    }
    for (const auto& [name, counted] : counters)
      EXPECT_TRUE(writer->append(run::CountersRecord{name, "", 1, true, counted}));
    writer.reset();
    return *run::RunReader::open(scratch / "run.ivt");
  }

 private:
  static void machine(run::RunWriter& writer, const std::string& name, const std::string& kind, bool events) {
    run::MachineRecord record;
    record.name = name;
    record.kind = kind;
    record.note = events ? "" : "no agent";
    if (name == "host") record.events = {"sched:sched_switch"};
    EXPECT_TRUE(writer.append(record));
    if (!events) return;
    run::SegmentRecord segment;
    segment.machine = name;
    EXPECT_TRUE(writer.append(segment));
    EXPECT_TRUE(write_all(writer.open_pages(name, "", 0)->get(), std::vector<std::byte>(4096), "pages"));
    if (kind == "host") return;
    run::EpochRecord epoch;
    epoch.machine = name;
    epoch.epoch.valid_from = GuestTsc(1);
    EXPECT_TRUE(writer.append(epoch));
  }
  run::ScratchDirectory scratch;
};

Pattern pattern(const std::string& name, const std::string& rest) {
  PatternProblem problem;
  const auto parsed = parse_pattern(name, "", "-- title: T\n" + rest, problem);
  EXPECT_TRUE(parsed) << problem.text();
  return parsed.value_or(Pattern());
}
/// Its query begins in line 4.
Pattern needing(const std::string& name, const std::string& needs,
                const std::string& sql = "SELECT 'vm1' AS victim, 1 AS from_ns, 2 AS until_ns") {
  return pattern(name, "-- text: x\n-- needs: " + needs + "\n" + sql);
}

template <class Made>
Diagnosis judged(Made& made, const std::vector<Pattern>& patterns) {
  query::OpenRun run(made);
  const Result<Diagnosis> diagnosis = diagnose(run.database(), patterns);
  EXPECT_TRUE(diagnosis.ok()) << (diagnosis ? "" : diagnosis.error().to_string());
  return diagnosis ? *diagnosis : Diagnosis();
}
std::vector<std::string> names(const Diagnosis& diagnosis) {
  std::vector<std::string> lines;
  for (const Finding& finding : diagnosis.findings) lines.push_back(finding.pattern + " " + finding.victim);
  return lines;
}
/// "pattern machine: reason -> option".
std::vector<std::string> unknown(const Diagnosis& diagnosis) {
  std::vector<std::string> lines;
  for (const Unknown& one : diagnosis.unknown)
    lines.push_back(one.pattern + " " + one.machine + ": " + one.reason + " -> " + one.option);
  return lines;
}
std::vector<std::string> problems(const Diagnosis& diagnosis) {
  std::vector<std::string> lines;
  for (const PatternProblem& problem : diagnosis.problems) lines.push_back(problem.text());
  return lines;
}

TEST(Judge, AFindingIsARowWithItsTextAndEvidence) {
  MadeMachines made;
  const Diagnosis diagnosis = judged(
      made, {pattern("p",
                     "-- text: {victim} since {from_ns}: {count}\n-- advice: Look at {culprit}.\n"
                     "SELECT 'vm1' AS victim, 'vm2' AS culprit, 0.8 AS share, 1500000000 AS from_ns,\n"
                     "       2e9 AS until_ns, 0.9 AS confidence, 'critical' AS severity, 5 AS impact_ns,\n"
                     "       7 AS count, NULL AS no_value\n"
                     "-- evidence: Numbers\n"
                     "WITH RECURSIVE n(i) AS (VALUES (:count) UNION ALL SELECT i + 1 FROM n)\n"
                     "SELECT i, :victim AS whose FROM n LIMIT 11\n"
                     "-- evidence: None\nSELECT 1 WHERE 0")});
  EXPECT_THAT(problems(diagnosis), IsEmpty());
  EXPECT_EQ(diagnosis.tried, 1u);
  ASSERT_EQ(diagnosis.findings.size(), 1u);
  const Finding& finding = diagnosis.findings.front();
  EXPECT_EQ(finding.pattern, "p");
  EXPECT_EQ(finding.title, "T");
  EXPECT_EQ(finding.victim, "vm1");
  EXPECT_EQ(finding.culprit, "vm2");
  EXPECT_EQ(finding.share, 0.8);
  EXPECT_EQ(finding.from_ns, 1'500'000'000);
  EXPECT_EQ(finding.until_ns, 2'000'000'000);
  EXPECT_EQ(finding.confidence, 0.9);
  EXPECT_EQ(finding.severity, Severity::kCritical);
  EXPECT_EQ(finding.impact_ns, 5);
  EXPECT_EQ(finding.text, "vm1 since 1.500 s: 7");
  EXPECT_EQ(finding.advice, "Look at vm2.");
  ASSERT_EQ(finding.numbers.size(), 2u);
  EXPECT_EQ(finding.numbers[0].first, "count");
  EXPECT_EQ(finding.numbers[1].first, "no_value");
  ASSERT_EQ(finding.evidence.size(), 2u);
  EXPECT_EQ(finding.evidence[0].title, "Numbers");
  EXPECT_THAT(finding.evidence[0].columns, ElementsAre("i", "whose"));
  ASSERT_EQ(finding.evidence[0].rows.size(), kEvidenceRows);
  EXPECT_TRUE(finding.evidence[0].more);
  EXPECT_EQ(finding.evidence[0].rows[9][0], query::OwnedCell(std::int64_t{16}));
  EXPECT_EQ(finding.evidence[0].rows[9][1], query::OwnedCell(std::string("vm1")));
  EXPECT_TRUE(finding.evidence[1].rows.empty());
  EXPECT_FALSE(finding.evidence[1].more);
}

TEST(Judge, TheGravestComeFirstAndThenTheDearest) {
  MadeMachines made;
  const Diagnosis diagnosis = judged(
      made,
      {pattern("p",
               "-- text: x\n-- severity: info\n"
               "SELECT column1 AS victim, column2 AS severity, column3 AS impact_ns, 1 AS from_ns, 2 AS "
               "until_ns\n"
               "FROM (VALUES ('a', 'warning', 1), ('b', 'critical', 1), ('c', 'warning', 2), "
               "('d', 'nonsense', 9), ('e', NULL, NULL))")});
  EXPECT_THAT(names(diagnosis), ElementsAre("p b", "p c", "p a", "p d", "p e"));
}

TEST(Judge, WhatTheQueryMayGetWrongIsPutRight) {
  MadeMachines made;
  const Diagnosis diagnosis = judged(
      made,
      {pattern("p",
               "-- text: {from_ns} {until_ns} {big_ns} {bytes}\nSELECT NULL AS victim, 9e999 AS from_ns, "
               "-9e999 AS until_ns, 17 AS confidence, 1e300 AS big_ns, 1e300 AS bytes")});
  ASSERT_EQ(diagnosis.findings.size(), 1u);
  EXPECT_EQ(diagnosis.findings[0].victim, "?");
  EXPECT_EQ(diagnosis.findings[0].confidence, 1);
  EXPECT_GT(diagnosis.findings[0].from_ns, 1ll << 61);
  EXPECT_LT(diagnosis.findings[0].until_ns, -(1ll << 61));
}

// What was not recorded.

TEST(Judge, WithoutWhatItNeedsOfTheHostAPatternIsUnknown) {
  MadeMachines made;
  const Diagnosis diagnosis =
      judged(made, {needing("a", "block@host, exits@host"), needing("b", "sched@host")});
  EXPECT_THAT(names(diagnosis), ElementsAre("b vm1"));
  EXPECT_EQ(diagnosis.tried, 1u);
  EXPECT_THAT(unknown(diagnosis),
              ElementsAre(AllOf(StartsWith("a host: block:block_rq_issue"), HasSubstr(" -> ")),
                          "a host: kvm:kvm_entry, kvm:kvm_exit were not recorded -> record --profile all"));
}

TEST(Judge, WithoutWhatItNeedsOfAGuestNothingIsSaidOfThatGuest) {
  MadeMachines made;
  made.has_vm2 = true;
  const std::string both =
      "SELECT name AS victim, 1 AS from_ns, 2 AS until_ns FROM machine WHERE kind = 'guest'";
  const Diagnosis diagnosis =
      judged(made, {needing("a", "events@guest, clock@guest", both), needing("b", "block@guest", both),
                    needing("c", "sched@host", both)});
  EXPECT_THAT(names(diagnosis), ElementsAre("a vm1", "c vm1", "c vm2"));
  EXPECT_EQ(diagnosis.tried, 2u);
  EXPECT_THAT(unknown(diagnosis),
              ElementsAre("a vm2: no agent -> start ivtrace-agent in the guest (ivtrace attach --deploy)",
                          StartsWith("b vm1: block:block_rq_issue"), StartsWith("b vm2: no agent")));
}

TEST(Judge, WithoutAGuestWhatNeedsOneIsUnknown) {
  MadeMachines made;
  made.has_vm1 = false;
  const Diagnosis diagnosis = judged(made, {needing("a", "clock@guest"), needing("b", "sched@host")});
  EXPECT_THAT(names(diagnosis), ElementsAre("b vm1"));
  EXPECT_THAT(unknown(diagnosis), ElementsAre(StartsWith("a : no guest was recorded -> record while")));
}

TEST(Judge, WhatNobodyKnowsOfIsUnknown) {
  MadeMachines made;
  EXPECT_THAT(unknown(judged(made, {needing("a", "blokc@host")})),
              ElementsAre("a host: nothing tells whether it was recorded -> "));
}

TEST(Judge, AMachineThatLostTooMuchHasNothingButItsCounters) {
  MadeMachines made;
  made.counters = {{"host", {0, 790, 0, 100, 60, 50, 0, 0}}, {"vm1", {0, 800, 0, 200, 0, 0, 0, 0}}};
  const Diagnosis diagnosis =
      judged(made, {needing("a", "sched@host"), needing("b", "counters@host"), needing("c", "clock@guest")});
  EXPECT_THAT(names(diagnosis), ElementsAre("b vm1", "c vm1"));  // a fifth is not more than that
  EXPECT_THAT(unknown(diagnosis),
              ElementsAre("a host: 21 % of its events were lost -> record with a larger --buffer-size, or "
                          "fewer --events"));
}

TEST(Judge, CountersBeyondAllMeasureDoNotEndTheDiagnosis) {
  constexpr std::uint64_t kMost = ~0ull >> 1;
  MadeMachines made;
  made.counters = {{"vm1", {0, kMost, kMost, kMost, kMost, kMost, kMost, kMost}},
                   {"vm1", {1, kMost, kMost, kMost, kMost, kMost, kMost, kMost}},
                   {"host", {0, 10, 0, 0, 0, 0, 0, 0}}};
  const Library library = load_library({}, {});
  const Diagnosis diagnosis = judged(made, {needing("a", "clock@guest"), *library.find("events-lost")});
  EXPECT_THAT(problems(diagnosis), IsEmpty());
  EXPECT_THAT(names(diagnosis), ElementsAre("events-lost vm1"));
}

// Mistakes.

TEST(Judge, AMistakeIsToldWithTheFilesLineAndCostsNoOtherPattern) {
  MadeMachines made;
  Pattern own = needing("own", "sched@host", "SELECT 'vm1' AS victim,\n  1 AS from_ns\n  2 AS until_ns");
  own.file = "/etc/own.sql";
  const Diagnosis diagnosis = judged(
      made,
      {own,
       needing("column", "sched@host", "SELECT 1 AS from_ns, 2 AS until_ns,\n\n nme AS victim FROM machine"),
       needing("table", "sched@host", "SELECT *\nFROM machin"), needing("fine", "sched@host"),
       needing("two", "sched@host", "SELECT 1; SELECT 2"),
       needing("writes", "sched@host", "DELETE FROM machine"),
       needing("victim", "sched@host", "SELECT 1 AS from_ns, 2 AS until_ns"),
       needing("until", "sched@host", "SELECT 'vm1' AS victim, 1 AS from_ns"),
       needing("parameter", "sched@host", "SELECT :x AS victim, 1 AS from_ns, 2 AS until_ns"),
       pattern("text", "-- text: {victim} {nothing}\nSELECT 'vm1' AS victim, 1 AS from_ns, 2 AS until_ns"),
       pattern("advice",
               "-- text: x\n-- advice: {none}\nSELECT 'vm1' AS victim, 1 AS from_ns, 2 AS until_ns")});
  EXPECT_THAT(names(diagnosis), ElementsAre("fine vm1"));
  EXPECT_THAT(
      problems(diagnosis),
      ElementsAre(
          AllOf(StartsWith("/etc/own.sql:6: "), HasSubstr("syntax error")),
          StartsWith("column.sql:6: no such column: nme (did you mean name"),
          AllOf(StartsWith("table.sql:4: no such table: machin"), HasSubstr("did you mean machine")),
          StartsWith("two.sql:4: one statement at a time"), StartsWith("writes.sql:4: a query only reads"),
          "victim.sql:4: its query gives no column victim", "until.sql:4: its query gives no column until_ns",
          AllOf(StartsWith("parameter.sql:4: "), HasSubstr(":x")),
          "text.sql: {nothing} is no column of its query", "advice.sql: {none} is no column of its query"));
}

constexpr const char* kOverflow = "abs(-9223372036854775807 - 1)";

TEST(Judge, AQueryThatFailsAtWorkIsToldWithItsOwnLine) {
  MadeMachines made;
  const Diagnosis diagnosis = judged(
      made, {needing("a", "sched@host",
                     std::string("SELECT 'vm1' AS victim, 1 AS from_ns, ") + kOverflow + " AS until_ns"),
             needing("b", "sched@host"), needing("c", "sched@host", "SELECT 1,\n\n\n syntax error")});
  EXPECT_THAT(names(diagnosis), ElementsAre("b vm1"));
  EXPECT_THAT(problems(diagnosis),
              ElementsAre(StartsWith("c.sql:7: "), AllOf(StartsWith("a.sql:4: "), HasSubstr("overflow"))));
}

TEST(Judge, BrokenEvidenceCostsTheEvidenceOnly) {
  const std::string head = "-- text: x\nSELECT 'vm1' AS victim, column1 AS from_ns, 2 AS until_ns FROM ";
  const std::string evidence =
      std::string("\n-- evidence: good\nSELECT 1\n-- evidence: bad\n\nSELECT nme FROM machine\n") +
      "-- evidence: no parameter\nSELECT :none\n-- evidence: fails\nSELECT " + kOverflow;
  for (const char* rows : {"(VALUES (1), (2))", "(SELECT 1 AS column1) WHERE 0"}) {
    MadeMachines made;
    const Diagnosis diagnosis = judged(made, {pattern("p", head + rows + evidence)});
    std::vector<std::string> told = problems(diagnosis);
    ASSERT_GE(told.size(), 2u);
    EXPECT_THAT(told[0], StartsWith("p.sql:8: no such column: nme"));
    EXPECT_THAT(told[1], AllOf(StartsWith("p.sql:10: "), HasSubstr(":none")));
    if (diagnosis.findings.empty()) continue;
    ASSERT_EQ(told.size(), 3u);  // once for both findings
    EXPECT_THAT(told[2], AllOf(StartsWith("p.sql:12: "), HasSubstr("overflow")));
    EXPECT_EQ(diagnosis.findings.size(), 2u);
    EXPECT_EQ(diagnosis.findings[0].evidence.at(0).title, "good");
  }
}

TEST(Judge, TheStopFlagEndsIt) {
  MadeMachines made;
  std::atomic<bool> stop = true;
  query::OpenRun run(made, &stop);
  const std::vector<Pattern> patterns = {
      needing("a", "sched@host",
              "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n)\n"
              "SELECT 'vm1' AS victim, 1 AS from_ns, max(i) AS until_ns FROM n")};
  const Result<Diagnosis> diagnosis = diagnose(run.database(), patterns);
  ASSERT_FALSE(diagnosis.ok());
  EXPECT_EQ(diagnosis.error().code, ErrorCode::kTimeout);
}

// The patterns that come with the program.

std::vector<Pattern> built_in() {
  std::vector<Pattern> patterns = load_library({}, {}).patterns;
  for (Pattern& pattern : patterns) pattern.needs.clear();
  return patterns;
}

TEST(BuiltInPatterns, MakeSenseAndFindNothingWhereNothingIs) {
  model::MadeIo io;
  io.host(5, model::kIssueId, 300);
  io.host(60, model::kCompleteId, 300);
  model::MadeRun run;
  run.host_switch(query::kStart + 10, 1, 1, 900, "hog");
  for (const Diagnosis& diagnosis : {judged(io, built_in()), judged(run, built_in())}) {
    EXPECT_THAT(problems(diagnosis), IsEmpty());
    EXPECT_THAT(names(diagnosis), IsEmpty());
    EXPECT_EQ(diagnosis.tried, built_in().size());
  }
}

TEST(BuiltInPatterns, NameBothWhoHaveTheDiskAndTheirShares) {
  model::MadeIo made;
  fill_contention(made);
  const Diagnosis diagnosis = judged(made, built_in());
  EXPECT_THAT(problems(diagnosis), IsEmpty());
  ASSERT_THAT(names(diagnosis), ElementsAre("disk-contention-vm vm1", "disk-contention-host vm1"));
  EXPECT_EQ(diagnosis.findings[0].culprit, "vm2");
  EXPECT_NEAR(*diagnosis.findings[0].share, 0.8, 0.02);
  EXPECT_EQ(diagnosis.findings[0].severity, Severity::kCritical);
  EXPECT_EQ(diagnosis.findings[1].culprit, "backup");
  EXPECT_NEAR(*diagnosis.findings[1].share, 0.2, 0.02);
  for (const Finding& finding : diagnosis.findings) {
    EXPECT_EQ(finding.from_ns, 3'000'000'000);
    ASSERT_EQ(finding.evidence.size(), 2u);
    EXPECT_EQ(finding.evidence[0].rows.size(), 4u);  // guest_queue, to_host, device, return
    EXPECT_EQ(finding.evidence[1].rows.size(), 3u);
  }
}

}  // namespace
}  // namespace ivtrace::patterns
