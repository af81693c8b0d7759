// How well patterns do on runs whose truth is known.
//
// A case is a folder with the run and case.json: {"expected": [{"pattern", "victim", "culprit", "share",
// "from_ns", "until_ns"}], "allowed": [the same]}. What is expected must be found, in a time that meets the
// label's where it has one; what is allowed may be found too. A victim or culprit of "*", or none, is not
// judged, null is nobody. All other findings are wrong. How far shares and begins are off is measured, not
// judged.
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

  std::string pattern;
  std::string victim = kAnybody;
  std::optional<std::string> culprit = kAnybody;
  std::optional<double> share;
  std::optional<std::int64_t> from_ns;
  std::optional<std::int64_t> until_ns;

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

/// How far what was found lies from what is so; a begin is near within 0.7 s, since a cause takes a moment.
struct Offsets {
  static constexpr std::int64_t kNear = 700'000'000;

  std::uint64_t shares = 0;  ///< labels with a share that were found
  double worst_share = 0;    ///< by how much one of them was off at most
  std::uint64_t begins = 0;  ///< labels with a begin that were found
  std::uint64_t near = 0;    ///< of these, begins that were near
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
  const Offsets& offsets() const { return offsets_; }
  /// How often a case in which `expected` (or "" for none) was to be found gave `found` (or "" for none).
  std::uint64_t confused(const std::string& expected, const std::string& found) const;

 private:
  std::map<std::string, PatternScore> patterns_;
  void measure(const Label& label, const Diagnosis& diagnosis);

  std::map<std::pair<std::string, std::string>, std::uint64_t> matrix_;
  Offsets offsets_;
};

}  // namespace ivtrace::patterns
