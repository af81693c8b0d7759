#include "patterns/score.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ivtrace::patterns {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kSecond = 1'000'000'000;

Finding finding(const std::string& pattern, const std::string& victim = "vm1",
                std::optional<std::string> culprit = "vm2", std::optional<double> share = {}) {
  Finding finding;
  finding.pattern = pattern;
  finding.victim = victim;
  finding.culprit = std::move(culprit);
  finding.share = share;
  finding.from_ns = 5 * kSecond;
  finding.until_ns = 8 * kSecond;
  return finding;
}
Truth truth(const std::string& json) {
  const Result<Truth> parsed = parse_truth(json);
  EXPECT_TRUE(parsed.ok());
  return parsed ? *parsed : Truth();
}
Diagnosis found(std::vector<Finding> findings) {
  Diagnosis diagnosis;
  diagnosis.findings = std::move(findings);
  return diagnosis;
}
std::vector<Pattern> patterns(std::initializer_list<const char*> names) {
  std::vector<Pattern> patterns;
  for (const char* name : names) patterns.emplace_back().name = name;
  return patterns;
}

TEST(Truth, HasLabels) {
  const Truth both = truth(
      R"({"name": "n", "expected": [{"pattern": "a", "victim": "vm1", "culprit": null, "share": 0.8,
          "from_ns": 7, "until_ns": 9}], "allowed": [{"pattern": "b"}]})");
  ASSERT_EQ(both.expected.size(), 1u);
  EXPECT_EQ(both.expected[0].pattern, "a");
  EXPECT_EQ(both.expected[0].victim, "vm1");
  EXPECT_EQ(both.expected[0].culprit, std::nullopt);
  EXPECT_EQ(both.expected[0].share, 0.8);
  EXPECT_EQ(both.expected[0].from_ns, 7);
  EXPECT_EQ(both.expected[0].until_ns, 9);
  ASSERT_EQ(both.allowed.size(), 1u);
  EXPECT_EQ(both.allowed[0].victim, "*");
  EXPECT_EQ(both.allowed[0].culprit, "*");
  EXPECT_TRUE(truth("{}").expected.empty());
}

TEST(Truth, WhatIsNoneIsSaid) {
  for (const auto& [json, message] : std::vector<std::pair<std::string, std::string>>{
           {"", "no JSON object"},
           {"[]", "no JSON object"},
           {"{\"expected\": [}", "no JSON object"},
           {R"({"expected": {}})", "\"expected\" is no list of labels"},
           {R"({"expected": [1]})", "\"expected\" is no list of labels"},
           {R"({"expected": [{"victim": "vm1"}]})", "\"expected\" is no list of labels"},
           {R"({"allowed": [{"pattern": 3}]})", "\"allowed\" is no list of labels"},
           {R"({"expected": [{"pattern": "a", "victim": 1}]})", "\"victim\" of a label is no text"},
           {R"({"expected": [{"pattern": "a", "culprit": ["vm2"]}]})", "\"culprit\" of a label is no text"},
           {R"({"expected": [{"pattern": "a", "share": "0.8"}]})", "\"share\" of a label is no number"},
           {R"({"expected": [{"pattern": "a", "from_ns": 0.5}]})",
            "\"from_ns\" of a label is no whole number"},
       }) {
    const Result<Truth> parsed = parse_truth(json);
    ASSERT_FALSE(parsed.ok()) << json;
    EXPECT_EQ(parsed.error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(parsed.error().message, message) << json;
  }
}

TEST(Label, VictimCulpritAndTimeMustFit) {
  const Label label =
      truth(R"({"expected": [{"pattern": "a", "victim": "vm1", "culprit": "vm2"}]})").expected[0];
  EXPECT_TRUE(label.fits(finding("a")));
  EXPECT_FALSE(label.fits(finding("b")));
  EXPECT_FALSE(label.fits(finding("a", "vm3")));
  EXPECT_FALSE(label.fits(finding("a", "vm1", "vm3")));
  EXPECT_FALSE(label.fits(finding("a", "vm1", std::nullopt)));
  const Label anybody =
      truth(R"({"expected": [{"pattern": "a", "victim": "*", "culprit": "*"}]})").expected[0];
  EXPECT_TRUE(anybody.fits(finding("a", "vm7", std::nullopt)));
  const Label nobody = truth(R"({"expected": [{"pattern": "a", "culprit": null}]})").expected[0];
  EXPECT_TRUE(nobody.fits(finding("a", "vm1", std::nullopt)));
  EXPECT_FALSE(nobody.fits(finding("a")));
  Label timed;
  timed.pattern = "a";
  timed.from_ns = 8 * kSecond;
  EXPECT_TRUE(timed.fits(finding("a")));
  timed.from_ns = 8 * kSecond + 1;
  EXPECT_FALSE(timed.fits(finding("a")));
  timed.from_ns.reset();
  timed.until_ns = 5 * kSecond - 1;
  EXPECT_FALSE(timed.fits(finding("a")));
}

TEST(Score, CountsRightMissedWrongAndQuiet) {
  Score score(patterns({"a", "b", "c"}));
  const Truth expected = truth(
      R"({"expected": [{"pattern": "a", "victim": "vm1"}, {"pattern": "b", "victim": "vm1"}],
          "allowed": [{"pattern": "b", "victim": "vm2"}]})");
  // Twice the same is found once, right or wrong.
  const CaseScore one =
      score.add(expected, found({finding("a"), finding("a"), finding("b", "vm2"), finding("c", "vm1", "x"),
                                 finding("c", "vm1", "x"), finding("c", "vm1", std::nullopt)}));
  EXPECT_THAT(one.missed, ElementsAre("b vm1 <- *"));
  EXPECT_THAT(one.wrong, ElementsAre("c vm1 <- x", "c vm1"));
  const CaseScore two = score.add({}, found({}));
  EXPECT_THAT(two.missed, IsEmpty());
  EXPECT_THAT(two.wrong, IsEmpty());
  const PatternScore& a = score.patterns().at("a");
  EXPECT_EQ(a.right, 1u);
  EXPECT_EQ(a.quiet, 1u);
  EXPECT_EQ(a.precision(), 1.0);
  EXPECT_EQ(a.recall(), 1.0);
  const PatternScore& b = score.patterns().at("b");
  EXPECT_EQ(b.missed, 1u);
  EXPECT_EQ(b.wrong, 0u);
  EXPECT_EQ(b.precision(), std::nullopt);
  EXPECT_EQ(b.recall(), 0.0);
  const PatternScore& c = score.patterns().at("c");
  EXPECT_EQ(c.wrong, 2u);
  EXPECT_EQ(c.precision(), 0.0);
  EXPECT_EQ(c.recall(), std::nullopt);
}

TEST(Score, AConfusionStandsWhereItWasAndWhereItShouldHaveBeen) {
  Score score(patterns({"a", "b", "c"}));
  const Truth a = truth(R"({"expected": [{"pattern": "a"}]})");
  score.add(a, found({finding("a")}));
  score.add(a, found({finding("b")}));
  score.add(a, found({}));
  score.add({}, found({finding("c")}));
  score.add({}, found({}));
  EXPECT_EQ(score.confused("a", "a"), 1u);
  EXPECT_EQ(score.confused("a", "b"), 1u);
  EXPECT_EQ(score.confused("a", ""), 1u);
  EXPECT_EQ(score.confused("", "c"), 1u);
  EXPECT_EQ(score.confused("", ""), 1u);
  EXPECT_EQ(score.confused("b", "a"), 0u);
}

TEST(Score, SharesAndBeginsAreMeasuredByTheNearestFinding) {
  Score score(patterns({"a"}));
  const Truth told = truth(R"({"expected": [{"pattern": "a", "share": 0.8, "from_ns": 5500000000}]})");
  score.add(told, found({finding("a", "vm1", "vm2", 0.2), finding("a", "vm1", "vm2", 0.75)}));
  EXPECT_EQ(score.offsets().shares, 1u);
  EXPECT_NEAR(score.offsets().worst_share, 0.05, 1e-9);
  EXPECT_EQ(score.offsets().begins, 1u);
  EXPECT_EQ(score.offsets().near, 1u);
  const Truth late = truth(R"({"expected": [{"pattern": "a", "from_ns": 6000000000}]})");
  score.add(late, found({finding("a")}));
  EXPECT_EQ(score.offsets().shares, 1u);
  EXPECT_EQ(score.offsets().begins, 2u);
  EXPECT_EQ(score.offsets().near, 1u);
}

}  // namespace
}  // namespace ivtrace::patterns
