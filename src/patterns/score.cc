#include "patterns/score.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

namespace ivtrace::patterns {
namespace {

using Json = nlohmann::json;

/// Why a label cannot be judged; "" when it can.
std::string mistake_in(const Json& label) {
  for (const char* key : {"victim", "culprit"}) {
    const auto found = label.find(key);
    const bool may_be_null = std::string_view(key) == "culprit";
    if (found != label.end() && !found->is_string() && !(may_be_null && found->is_null()))
      return std::string("\"") + key + "\" of a label is no text";
  }
  if (label.contains("share") && !label["share"].is_number()) return "\"share\" of a label is no number";
  for (const char* key : {"from_ns", "until_ns"}) {
    if (label.contains(key) && !label[key].is_number_integer())
      return std::string("\"") + key + "\" of a label is no whole number";
  }
  return {};
}

Result<Label> label_of(const Json& object) {
  if (const std::string mistake = mistake_in(object); !mistake.empty())
    return Error(ErrorCode::kCorrupt, mistake);
  Label label;
  label.pattern = object["pattern"];
  label.victim = object.value("victim", label.victim);
  if (const auto culprit = object.find("culprit"); culprit != object.end()) {
    label.culprit = culprit->is_null() ? std::nullopt : std::optional<std::string>(*culprit);
  }
  if (object.contains("share")) label.share = object["share"].get<double>();
  if (object.contains("from_ns")) label.from_ns = object["from_ns"].get<std::int64_t>();
  if (object.contains("until_ns")) label.until_ns = object["until_ns"].get<std::int64_t>();
  return label;
}

Result<std::vector<Label>> labels_at(const Json& object, const char* key) {
  std::vector<Label> labels;
  const auto found = object.find(key);
  if (found == object.end()) return labels;
  const auto is_label = [](const Json& one) {
    return one.is_object() && one.contains("pattern") && one["pattern"].is_string();
  };
  if (!found->is_array() || !std::all_of(found->begin(), found->end(), is_label))
    return Error(ErrorCode::kCorrupt, std::string("\"") + key + "\" is no list of labels");
  for (const Json& one : *found) {
    IVT_ASSIGN_OR_RETURN(labels.emplace_back(), label_of(one));
  }
  return labels;
}

std::string line_of(const std::string& pattern, const std::string& victim,
                    const std::optional<std::string>& culprit) {
  return pattern + " " + victim + (culprit ? " <- " + *culprit : "");
}

}  // namespace

bool Label::fits(const Finding& finding) const {
  return finding.pattern == pattern && (victim == kAnybody || finding.victim == victim) &&
         (culprit == kAnybody || finding.culprit == culprit) && (!from_ns || finding.until_ns >= *from_ns) &&
         (!until_ns || finding.from_ns <= *until_ns);
}

Result<Truth> parse_truth(std::string_view json) {
  const Json object = Json::parse(json, nullptr, false);
  if (!object.is_object()) return Error(ErrorCode::kCorrupt, "no JSON object");
  Truth truth;
  IVT_ASSIGN_OR_RETURN(truth.expected, labels_at(object, "expected"));
  IVT_ASSIGN_OR_RETURN(truth.allowed, labels_at(object, "allowed"));
  return truth;
}

std::optional<double> PatternScore::precision() const {
  if (right + wrong == 0) return std::nullopt;
  return static_cast<double>(right) / static_cast<double>(right + wrong);
}
std::optional<double> PatternScore::recall() const {
  if (right + missed == 0) return std::nullopt;
  return static_cast<double>(right) / static_cast<double>(right + missed);
}

Score::Score(const std::vector<Pattern>& patterns) {
  for (const Pattern& pattern : patterns) patterns_[pattern.name];
}

CaseScore Score::add(const Truth& truth, const Diagnosis& diagnosis) {
  CaseScore score;
  std::set<std::string> expected;
  std::set<std::string> found;
  for (const Label& label : truth.expected) {
    expected.insert(label.pattern);
    const bool is_found = std::any_of(diagnosis.findings.begin(), diagnosis.findings.end(),
                                      [&](const Finding& finding) { return label.fits(finding); });
    ++(is_found ? patterns_[label.pattern].right : patterns_[label.pattern].missed);
    if (is_found) measure(label, diagnosis);
    if (!is_found) score.missed.push_back(line_of(label.pattern, label.victim, label.culprit));
  }
  std::set<std::string> wrong;
  for (const Finding& finding : diagnosis.findings) {
    const auto fits = [&](const Label& label) { return label.fits(finding); };
    const bool is_expected = std::any_of(truth.expected.begin(), truth.expected.end(), fits);
    if (!is_expected && std::any_of(truth.allowed.begin(), truth.allowed.end(), fits)) continue;
    found.insert(finding.pattern);
    const std::string line = line_of(finding.pattern, finding.victim, finding.culprit);
    if (is_expected || !wrong.insert(line).second) continue;
    ++patterns_[finding.pattern].wrong;
    score.wrong.push_back(line);
  }
  for (auto& [name, pattern] : patterns_) pattern.quiet += !expected.contains(name) && !found.contains(name);
  // What was found of what was expected confuses nobody; the rest stands beside what was not.
  const auto without = [](const std::set<std::string>& all, const std::set<std::string>& taken) {
    std::set<std::string> rest;
    std::set_difference(all.begin(), all.end(), taken.begin(), taken.end(), std::inserter(rest, rest.end()));
    return rest;
  };
  std::set<std::string> missing = without(expected, found);
  std::set<std::string> instead = without(found, expected);
  for (const std::string& name : expected) {
    if (found.contains(name)) ++matrix_[{name, name}];
  }
  if (missing.empty() && instead.empty() && !expected.empty()) return score;
  if (missing.empty()) missing.insert("");
  if (instead.empty()) instead.insert("");
  for (const std::string& one : missing) {
    for (const std::string& other : instead) ++matrix_[{one, other}];
  }
  return score;
}

/// Of the findings that fit, the nearest counts.
void Score::measure(const Label& label, const Diagnosis& diagnosis) {
  std::optional<double> share_off;
  std::optional<std::int64_t> begin_off;
  for (const Finding& finding : diagnosis.findings) {
    if (!label.fits(finding)) continue;
    if (label.share && finding.share) {
      const double off = std::abs(*finding.share - *label.share);
      share_off = std::min(share_off.value_or(off), off);
    }
    if (label.from_ns) {
      const std::int64_t off = std::abs(finding.from_ns - *label.from_ns);
      begin_off = std::min(begin_off.value_or(off), off);
    }
  }
  if (share_off) {
    ++offsets_.shares;
    offsets_.worst_share = std::max(offsets_.worst_share, *share_off);
  }
  if (begin_off) {
    ++offsets_.begins;
    offsets_.near += *begin_off <= Offsets::kNear ? 1u : 0u;
  }
}

std::uint64_t Score::confused(const std::string& expected, const std::string& found) const {
  const auto cell = matrix_.find({expected, found});
  return cell == matrix_.end() ? 0 : cell->second;
}

}  // namespace ivtrace::patterns
