// How well patterns do on runs whose truth is known.
//
// A case is a folder with the run and case.json: {"expected": [{"pattern", "victim", "culprit", "share"}],
// "allowed": [the same]}. What is expected must be found; what is allowed may be found too. A victim or
// culprit of "*", or none, is not judged, null is nobody; a share is met within 0.15. All other findings are
// wrong.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "patterns/finding.h"

namespace ivtrace::patterns {

/// A finding as a label tells it.
struct Label {
  static constexpr const char* kAnybody = "*";
  static constexpr double kShareWithin = 0.15;

  std::string pattern;
  std::string victim = kAnybody;
  std::optional<std::string> culprit = kAnybody;
  std::optional<double> share;

  bool fits(const Finding& finding) const;
};

struct Truth {
  std::vector<Label> expected;
  std::vector<Label> allowed;
};
/// Of case.json's text. kCorrupt when it is not as it should be.
Result<Truth> parse_truth(std::string_view json);

/// One pattern over all cases. A label counts once per case, however many findings fit it; so does a wrong
/// pattern with one victim and culprit.
struct PatternScore {
  std::uint64_t right = 0;   ///< labels that were found
  std::uint64_t missed = 0;  ///< labels that were not
  std::uint64_t wrong = 0;   ///< findings that no label fits
  std::uint64_t quiet = 0;   ///< cases in which there was nothing to find, and nothing was found

  /// right / (right + wrong), and right / (right + missed); empty where nothing was to be divided.
  std::optional<double> precision() const;
  std::optional<double> recall() const;
};

/// What was said of one case.
struct CaseScore {
  std::vector<std::string> missed;  ///< "pattern victim <- culprit"
  std::vector<std::string> wrong;
};

class Score {
 public:
  explicit Score(const std::vector<Pattern>& patterns);

  CaseScore add(const Truth& truth, const Diagnosis& diagnosis);
  const std::map<std::string, PatternScore>& patterns() const { return patterns_; }
  /// How often a case in which `expected` (or "" for none) was to be found gave `found` (or "" for none).
  std::uint64_t confused(const std::string& expected, const std::string& found) const;

 private:
  std::map<std::string, PatternScore> patterns_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> matrix_;
};

}  // namespace ivtrace::patterns
