#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "cli/pattern_test_support.h"

namespace ivtrace::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Patterns : public PatternCommands {
 protected:
  PatternOutcome patterns(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "patterns");
    arguments.insert(arguments.end(), {"--patterns", patterns_});
    return run(arguments);
  }
  /// A case whose run has one finding of "mine": vm1's.
  std::string make_case(const std::string& name, const std::string& json) {
    const std::string folder = cases_ + "/" + name;
    std::filesystem::create_directories(folder);
    write_sample_run(folder + "/run.ivt", {.hole = false, .unaligned = false, .paused = false});
    std::ofstream(folder + "/case.json") << json;
    return folder;
  }
  std::string cases_ = scratch_ / "cases";
};

TEST_F(Patterns, AreListed) {
  pattern("mine", std::string("-- needs: block@host,block@guest\n-- severity: info\n") + kOwnPattern);
  for (const PatternOutcome& outcome : {patterns({}), patterns({"list"})}) {
    EXPECT_EQ(outcome.code, ExitCode::kOk);
    EXPECT_EQ(outcome.err, "");
    EXPECT_THAT(outcome.out, StartsWith("PATTERN"));
    EXPECT_THAT(outcome.out, HasSubstr("\ndisk-contention-vm"));
    EXPECT_THAT(outcome.out, HasSubstr("(built in)\n"));
    EXPECT_THAT(outcome.out, HasSubstr("block@host, block@guest"));
    EXPECT_THAT(outcome.out, HasSubstr(patterns_ + "/mine.sql\n"));
  }
  const auto json = nlohmann::json::parse(patterns({"list", "--json"}).out);
  bool has_mine = false;
  for (const auto& one : json["patterns"]) {
    if (one["pattern"] != "mine") {
      EXPECT_TRUE(one["file"].is_null()) << one;
      continue;
    }
    has_mine = true;
    EXPECT_EQ(one, nlohmann::json({{"pattern", "mine"},
                                   {"title", "Slow"},
                                   {"means", "Nothing."},
                                   {"severity", "info"},
                                   {"needs", {"block@host", "block@guest"}},
                                   {"file", patterns_ + "/mine.sql"}}));
  }
  EXPECT_TRUE(has_mine);
}

TEST_F(Patterns, ABrokenOneIsToldBelowTheList) {
  pattern("broken", "SELECT 1");
  const PatternOutcome outcome = patterns({});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_THAT(outcome.out, Not(HasSubstr("broken")));
  EXPECT_EQ(outcome.err, "ivtrace: " + patterns_ + "/broken.sql:1: the head has no \"title\"\n");
}

TEST_F(Patterns, AreShownAsTheyAre) {
  pattern("mine", kOwnPattern);
  EXPECT_EQ(patterns({"show", "mine"}).out, kOwnPattern);
  EXPECT_EQ(patterns({"show", "disk-contention-vm"}).out, *read_file("patterns/disk-contention-vm.sql"));
  pattern("disk-contention-vm", "SELECT 1");  // broken: that of the program is still used, and it is told
  const PatternOutcome outcome = patterns({"show", "disk-contention-vm"});
  EXPECT_EQ(outcome.out, *read_file("patterns/disk-contention-vm.sql"));
  EXPECT_THAT(outcome.err, HasSubstr(patterns_ + "/disk-contention-vm.sql:1: "));
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  const PatternOutcome none = patterns({"show", "mien"});
  EXPECT_EQ(none.code, ExitCode::kFailed);
  EXPECT_EQ(none.out, "");
  EXPECT_EQ(none.err, "ivtrace: there is no pattern mien (did you mean mine?)\n");
}

TEST_F(Patterns, WhatMakesNoSenseIsUsage) {
  for (const auto& [arguments, line] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"show"}, "show which pattern?"},
           {{"test"}, "test on which cases?"},
           {{"list", "disk"}, "list takes no argument"},
           {{"disk"}, "ivtrace: "}}) {
    const PatternOutcome outcome = patterns(arguments);
    EXPECT_EQ(outcome.code, ExitCode::kUsage) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(line));
  }
}

TEST_F(Patterns, AreTestedOnCases) {
  pattern("mine", kOwnPattern);
  make_case("c-right",
            R"({"expected": [{"pattern": "mine", "victim": "vm1", "culprit": "*", "share": 0.6}]})");
  const PatternOutcome right = patterns({"test", cases_});
  EXPECT_EQ(right.code, ExitCode::kOk) << right.err;
  EXPECT_THAT(right.out, StartsWith("ok      c-right\n\nEXPECTED"));
  EXPECT_THAT(right.out, HasSubstr("\nculprits' shares: 1 known, off by 0.10 at most\n"));

  make_case("b-wrong", R"({"expected": []})");
  make_case("a-missed",
            R"({"expected": [{"pattern": "mine", "victim": "vm2"}], "allowed": [{"pattern": "mine"}]})");
  std::filesystem::create_directory(cases_ + "/no-case");
  std::ofstream(cases_ + "/case.json") << "of no case";
  const PatternOutcome all = patterns({"test", cases_});
  EXPECT_EQ(all.code, ExitCode::kFailed);
  EXPECT_THAT(all.out, StartsWith("NOT OK  a-missed\n"
                                  "        missed: mine vm2 <- *\n"
                                  "NOT OK  b-wrong\n"
                                  "        wrong: mine vm1 <- \\x1b[31m\"x\\\\\\x0a\\xff\n"
                                  "ok      c-right\n\n"));
  EXPECT_THAT(all.out, HasSubstr("\nPATTERN"));
  const auto json = nlohmann::json::parse(patterns({"test", cases_, "--json"}).out);
  EXPECT_EQ(json["cases"][0],
            nlohmann::json(
                {{"case", "a-missed"}, {"missed", {"mine vm2 <- *"}}, {"wrong", nlohmann::json::array()}}));
  for (const auto& one : json["patterns"]) {
    if (one["pattern"] != "mine") continue;
    EXPECT_EQ(one, nlohmann::json({{"pattern", "mine"},
                                   {"right", 1},
                                   {"missed", 1},
                                   {"wrong", 1},
                                   {"quiet", 0},
                                   {"precision", 0.5},
                                   {"recall", 0.5}}));
  }
  EXPECT_EQ(json["confusion"], nlohmann::json({{{"expected", "mine"}, {"found", "mine"}, {"cases", 1}},
                                               {{"expected", "mine"}, {"found", nullptr}, {"cases", 1}},
                                               {{"expected", nullptr}, {"found", "mine"}, {"cases", 1}}}));
}

TEST_F(Patterns, AProblemIsToldOnceForAllCases) {
  pattern("broken", "-- title: t\n-- text: x\nSELECT 1");
  make_case("a", "{}");
  make_case("b", "{}");
  const PatternOutcome outcome = patterns({"test", cases_});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_EQ(outcome.err, "ivtrace: " + patterns_ + "/broken.sql:3: its query gives no column victim\n");
}

TEST_F(Patterns, ACaseThatCannotBeReadIsNamed) {
  EXPECT_THAT(patterns({"test", cases_}).err, HasSubstr("cases: No such file or directory"));
  std::filesystem::create_directory(cases_);
  EXPECT_THAT(patterns({"test", cases_}).err, HasSubstr("has no case: no folder in it has a case.json"));
  const std::string folder = make_case("a", "{\"expected\": 1}");
  const PatternOutcome broken = patterns({"test", cases_});
  EXPECT_EQ(broken.code, ExitCode::kFailed);
  EXPECT_EQ(broken.err, "ivtrace: " + folder + "/case.json: \"expected\" is no list of labels\n");
  std::ofstream(folder + "/case.json") << "{}";
  std::filesystem::remove_all(folder + "/run.ivt");
  const PatternOutcome no_run = patterns({"test", cases_});
  EXPECT_EQ(no_run.code, ExitCode::kFailed);
  EXPECT_THAT(no_run.err, HasSubstr(folder));
}

}  // namespace
}  // namespace ivtrace::cli
