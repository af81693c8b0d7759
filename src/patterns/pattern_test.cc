#include "patterns/pattern.h"

#include <gtest/gtest.h>

namespace ivtrace::patterns {
namespace {

std::optional<Pattern> parsed(std::string_view text) {
  PatternProblem problem;
  std::optional<Pattern> pattern = parse_pattern("p", "/etc/p.sql", text, problem);
  EXPECT_TRUE(pattern) << problem.text();
  return pattern;
}
/// What is wrong with a file.
std::string problem_of(std::string_view text) {
  PatternProblem problem;
  EXPECT_FALSE(parse_pattern("p", "/etc/p.sql", text, problem)) << text;
  EXPECT_EQ(problem.pattern, "p");
  return problem.text();
}

constexpr std::string_view kWhole =
    "-- title: A guest is slow\n"
    "-- means: What it is,\n"
    "--   and why.\n"
    "-- needs: block@host,  block@guest ,\n"
    "--    sched@host\n"
    "-- severity: critical\n"
    "-- text: {victim} took: {mean_ns}\n"
    "-- advice: Look.\n"
    "SELECT 1 AS victim -- a comment\n"
    "FROM machine\n"
    "\n"
    "-- evidence: The longest ones\n"
    "SELECT 1\n"
    "-- evidence:  Two\n"
    "-- a comment\n"
    "SELECT 2";

TEST(Pattern, AFileHasAHeadAQueryAndEvidence) {
  const std::optional<Pattern> pattern = parsed(kWhole);
  ASSERT_TRUE(pattern);
  EXPECT_EQ(pattern->name, "p");
  EXPECT_EQ(pattern->file, "/etc/p.sql");
  EXPECT_EQ(pattern->source, kWhole);
  EXPECT_EQ(pattern->title, "A guest is slow");
  EXPECT_EQ(pattern->means, "What it is, and why.");
  ASSERT_EQ(pattern->needs.size(), 3u);
  EXPECT_EQ(pattern->needs[0].text(), "block@host");
  EXPECT_EQ(pattern->needs[1].text(), "block@guest");
  EXPECT_EQ(pattern->needs[2].text(), "sched@host");
  EXPECT_EQ(pattern->severity, Severity::kCritical);
  EXPECT_EQ(pattern->text, "{victim} took: {mean_ns}");
  EXPECT_EQ(pattern->advice, "Look.");
  EXPECT_EQ(pattern->query.line, 9u);
  EXPECT_EQ(pattern->query.sql, "SELECT 1 AS victim -- a comment\nFROM machine\n\n");
  ASSERT_EQ(pattern->evidence.size(), 2u);
  EXPECT_EQ(pattern->evidence[0].title, "The longest ones");
  EXPECT_EQ(pattern->evidence[0].sql, "SELECT 1\n");
  EXPECT_EQ(pattern->evidence[0].line, 13u);
  EXPECT_EQ(pattern->evidence[1].title, "Two");
  EXPECT_EQ(pattern->evidence[1].sql, "-- a comment\nSELECT 2\n");
  EXPECT_EQ(pattern->evidence[1].line, 15u);
}

TEST(Pattern, TitleAndTextAreEnough) {
  const std::optional<Pattern> pattern = parsed("-- title: t\n-- text: x\nSELECT 1");
  ASSERT_TRUE(pattern);
  EXPECT_EQ(pattern->severity, Severity::kWarning);
  EXPECT_TRUE(pattern->needs.empty());
  EXPECT_TRUE(pattern->evidence.empty());
}

TEST(Pattern, WhatIsWrongIsToldWithItsLine) {
  const struct {
    std::string_view text;
    std::string_view problem;
  } kCases[] = {
      {"", "/etc/p.sql:1: the head has no \"title\""},
      {"SELECT 1", "/etc/p.sql:1: the head has no \"title\""},
      {"\n-- title: t\n-- text: x\nSELECT 1", "/etc/p.sql:1: the head has no \"title\""},
      {"-- title: t\nSELECT 1", "/etc/p.sql:1: the head has no \"text\""},
      {"-- title:\n-- text: x\nSELECT 1", "/etc/p.sql:2: the head has no \"title\""},
      {"--   goes on\n", "/etc/p.sql:1: there is no line that this one could go on"},
      {"-- title: t\n-- text\n",
       "/etc/p.sql:2: neither `-- key: value` nor a line that goes on, with three blanks"},
      {"-- title: t\n-- txt: x\n", "/etc/p.sql:2: unknown key \"txt\"; did you mean \"text\"?"},
      {"-- title: t\n-- something else: x\n", "/etc/p.sql:2: unknown key \"something else\""},
      {"-- title: t\n-- text: x\n-- title: u\n", "/etc/p.sql:3: a second \"title\""},
      {"-- title: t\n-- severity: grave\n-- text: x\nSELECT 1",
       "/etc/p.sql:2: severity is info, warning or critical"},
      {"-- title: t\n-- text: x\n-- needs: block@host, block\nSELECT 1",
       "/etc/p.sql:3: \"block\" is not WHAT@host or WHAT@guest"},
      {"-- title: t\n-- text: x\n-- needs: @host\nSELECT 1",
       "/etc/p.sql:3: \"@host\" is not WHAT@host or WHAT@guest"},
      {"-- title: t\n-- text: x\n-- needs: block@vm1\nSELECT 1",
       "/etc/p.sql:3: \"block@vm1\" is not WHAT@host or WHAT@guest"},
      {"-- title: t\n-- text: x", "/etc/p.sql:2: there is no query behind the head"},
      {"-- title: t\n-- text: x\n\n-- evidence: e\nSELECT 1",
       "/etc/p.sql:5: there is no query behind the head"},
      {"-- title: t\n-- text: x\nSELECT 1\n-- evidence:\nSELECT 1", "/etc/p.sql:4: evidence has no title"},
      {"-- title: t\n-- text: x\nSELECT 1\n-- evidence: e\n\n",
       "/etc/p.sql:5: there is no query behind \"e\""},
  };
  for (const auto& one : kCases) EXPECT_EQ(problem_of(one.text), one.problem) << one.text;
}

TEST(Pattern, AProblemOfAPatternThatCameWithTheProgramNamesIt) {
  EXPECT_EQ((PatternProblem{"disk", "", 3, "wrong"}.text()), "disk.sql:3: wrong");
  EXPECT_EQ((PatternProblem{"", "/no/where", 0, "is not there"}.text()), "/no/where: is not there");
}

TEST(Pattern, EveryTruncationIsAPatternOrAProblem) {
  for (std::size_t size = 0; size < kWhole.size(); ++size) {
    PatternProblem problem;
    const auto pattern = parse_pattern("p", "", kWhole.substr(0, size), problem);
    EXPECT_EQ(pattern.has_value(), problem.reason.empty()) << size;
  }
}

TEST(LineOf, IsThatOfTheByteInTheFile) {
  const PatternQuery query{"", "ab\ncd\n\nef", 9};
  EXPECT_EQ(line_of(query, 0), 9u);
  EXPECT_EQ(line_of(query, 2), 9u);
  EXPECT_EQ(line_of(query, 3), 10u);
  EXPECT_EQ(line_of(query, 7), 12u);
  EXPECT_EQ(line_of(query, 1000), 12u);
}

}  // namespace
}  // namespace ivtrace::patterns
