#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "cli/diagnosis_view.h"
#include "cli/pattern_test_support.h"

namespace ivtrace::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Diagnose : public PatternCommands {
 protected:
  PatternOutcome diagnose(std::vector<std::string> arguments, const SampleOptions& sample = kWhole) {
    if (!std::filesystem::exists(run_)) write_sample_run(run_, sample);
    arguments.insert(arguments.begin(), {"diagnose", run_, "--patterns", patterns_});
    return run(arguments);
  }
  static constexpr SampleOptions kWhole = {.hole = false, .unaligned = false, .paused = false};
  std::string run_ = scratch_ / "run.ivt";
};

TEST_F(Diagnose, AFindingIsTextThatIsSafeForATerminal) {
  pattern("mine", kOwnPattern);
  const PatternOutcome outcome = diagnose({"--pattern", "mine"});
  EXPECT_EQ(outcome.code, ExitCode::kOk);
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out,
            "warning  vm1 <- \\x1b[31m\"x\\\\\\x0a\\xff (50 %): Slow\n"
            "  0.000 s to 2.500 s, confidence 0.75, pattern mine\n"
            "  vm1 was slow for 17.2 ms.\n"
            "  To do: Ask \\x1b[31m\"x\\\\\\x0a\\xff.\n"
            "  Events:\n"
            "    time_ns  comm                  none\n"
            "    2500 ns  \\x1b[31m\"x\\\\\\x0a\\xff\n"
            "\n"
            "1 pattern tried, 1 finding\n");
}

TEST_F(Diagnose, AFindingIsJson) {
  pattern("mine", kOwnPattern);
  const PatternOutcome outcome = diagnose({"--pattern", "mine", "--json"});
  EXPECT_EQ(outcome.code, ExitCode::kOk);
  const std::string name = "\x1b[31m\"x\\\n\xef\xbf\xbd";
  const nlohmann::json expected = {{"findings",
                                    {{{"pattern", "mine"},
                                      {"title", "Slow"},
                                      {"severity", "warning"},
                                      {"victim", "vm1"},
                                      {"culprit", name},
                                      {"share", 0.5},
                                      {"from_ns", 1000},
                                      {"until_ns", 2'500'000'000},
                                      {"confidence", 0.75},
                                      {"text", "vm1 was slow for 17.2 ms."},
                                      {"advice", "Ask " + name + "."},
                                      {"numbers", {{"took_ns", 17'200'000}}},
                                      {"evidence",
                                       {{{"title", "Events"},
                                         {"rows", {{{"time_ns", 2500}, {"comm", name}, {"none", nullptr}}}},
                                         {"more", false}}}}}}},
                                   {"unknown", nlohmann::json::array()},
                                   {"problems", nlohmann::json::array()},
                                   {"tried", 1}};
  EXPECT_EQ(nlohmann::json::parse(outcome.out), expected) << outcome.out;
}

TEST_F(Diagnose, WhatNobodyCanJudgeIsOneLineForEachReason) {
  const std::string head = "-- title: t\n-- text: x\n-- needs: block@host, block@host\nSELECT 1";
  pattern("disk-b", head);
  pattern("b", head);
  const std::vector<std::string> both = {"--pattern", "b", "--pattern", "disk-b"};
  const PatternOutcome outcome = diagnose(both);
  EXPECT_EQ(outcome.code, ExitCode::kOk);
  EXPECT_EQ(
      outcome.out,
      "unknown  host: b, disk-b: block:block_rq_issue, block:block_rq_complete were not recorded (record "
      "--events with block:block_rq_issue,block:block_rq_complete)\n"
      "0 patterns tried, nothing found\n");
  const auto json = nlohmann::json::parse(diagnose({"--pattern", "b", "--json"}).out);
  EXPECT_EQ(json["unknown"][0]["pattern"], "b");
  EXPECT_EQ(json["unknown"][0]["machine"], "host");
  EXPECT_THAT(std::string(json["unknown"][0]["option"]), StartsWith("record --events"));
}

TEST_F(Diagnose, AMistakeInAPatternIsToldAndTheOthersAreTried) {
  pattern("mine", kOwnPattern);
  pattern("broken", "-- title: t\n-- text: x\nSELECT 'vm1' AS victim,\n1 AS from_ns 2 AS until_ns");
  pattern("headless", "SELECT 1");
  const PatternOutcome outcome = diagnose({});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_THAT(outcome.out, HasSubstr("pattern mine\n"));
  EXPECT_THAT(outcome.err, HasSubstr(patterns_ + "/broken.sql:4: near \"2\": syntax error"));
  EXPECT_THAT(outcome.err, HasSubstr(patterns_ + "/headless.sql:1: the head has no \"title\"\n"));
  const auto json = nlohmann::json::parse(diagnose({"--json"}).out);
  ASSERT_EQ(json["problems"].size(), 2u);
  EXPECT_EQ(json["problems"][0]["pattern"], "headless");
  EXPECT_EQ(json["problems"][1]["line"], 4);
  EXPECT_EQ(diagnose({"--pattern", "mine"}).code, ExitCode::kOk);
}

TEST_F(Diagnose, EventsThatAreMissingAreTold) {
  pattern("mine", kOwnPattern);
  const PatternOutcome outcome = diagnose({"--pattern", "mine"}, {.hole = true, .unaligned = false});
  EXPECT_EQ(outcome.code, ExitCode::kLoss);
  EXPECT_THAT(outcome.err, HasSubstr("events are missing"));
  EXPECT_THAT(outcome.out, HasSubstr("1 finding"));
  // The sample lost 1234 of 1238 events.
  EXPECT_THAT(diagnose({"--pattern", "events-lost"}).out, StartsWith("critical  host: Too many events"));
}

TEST_F(Diagnose, WhatIsNotThereIsNamed) {
  pattern("mine", kOwnPattern);
  EXPECT_EQ(run({"diagnose"}).code, ExitCode::kUsage);
  const PatternOutcome no_run = run({"diagnose", scratch_ / "none.ivt"});
  EXPECT_EQ(no_run.code, ExitCode::kFailed);
  EXPECT_THAT(no_run.err, HasSubstr("none.ivt"));
  const PatternOutcome no_pattern = diagnose({"--pattern", "mien"});
  EXPECT_EQ(no_pattern.code, ExitCode::kFailed);
  EXPECT_EQ(no_pattern.err, "ivtrace: there is no pattern mien (did you mean mine?)\n");
  EXPECT_EQ(diagnose({"--pattern", "nothing-like-it-at-all"}).err,
            "ivtrace: there is no pattern nothing-like-it-at-all (ivtrace patterns lists them)\n");
  const PatternOutcome no_directory = diagnose({"--pattern", "mine", "--patterns", scratch_ / "nowhere"});
  EXPECT_EQ(no_directory.code, ExitCode::kFailed);
  EXPECT_THAT(no_directory.err, HasSubstr("nowhere: No such file or directory"));
  EXPECT_THAT(no_directory.out, HasSubstr("1 finding"));
}

TEST(DiagnosisText, NoNameActsOnTheTerminal) {
  const std::string hostile = "\x1b[2J\r\n\x07";
  patterns::Finding finding;
  finding.pattern = finding.title = finding.victim = finding.text = finding.advice = hostile;
  finding.culprit = hostile;
  finding.evidence = {{hostile, {"comm"}, {{query::OwnedCell(hostile)}}, true}};
  patterns::Diagnosis diagnosis;
  diagnosis.findings = {finding};
  diagnosis.unknown = {{hostile, hostile, hostile, hostile}};
  const std::string text = diagnosis_text(diagnosis);
  for (const char* byte : {"\x1b", "\r", "\x07"}) EXPECT_THAT(text, Not(HasSubstr(byte)));
  EXPECT_THAT(text, HasSubstr("    …\n"));
  for (const char byte : diagnosis_json(diagnosis)) EXPECT_TRUE(byte == '\n' || byte < 0 || byte >= ' ');
}

TEST(DiagnosisText, ALongTextIsBrokenBetweenWords) {
  patterns::Finding finding;
  for (int i = 0; i < 60; ++i) finding.text += "word ";
  finding.text += std::string(200, 'x');
  patterns::Diagnosis diagnosis;
  diagnosis.findings = {finding};
  const std::string text = diagnosis_text(diagnosis);
  std::istringstream lines(text);
  std::size_t words = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("word") == std::string::npos) continue;
    ++words;
    EXPECT_LE(line.size(), 110u);
    EXPECT_THAT(line, StartsWith("  word"));
  }
  EXPECT_EQ(words, 3u);
  EXPECT_THAT(text, HasSubstr("\n  " + std::string(200, 'x') + "\n"));
}

}  // namespace
}  // namespace ivtrace::cli
