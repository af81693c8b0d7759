// What `ivtrace patterns` tells, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "patterns/library.h"
#include "patterns/score.h"

namespace ivtrace::cli {

struct PatternCaseView {
  std::string name;
  patterns::CaseScore score;
};
struct PatternTestView {
  std::vector<PatternCaseView> cases;
};

std::string pattern_list_text(const patterns::Library& library);
std::string pattern_list_json(const patterns::Library& library);
/// Each case, the confusion matrix, and precision and recall of each pattern.
std::string pattern_test_text(const PatternTestView& view, const patterns::Score& score);
std::string pattern_test_json(const PatternTestView& view, const patterns::Score& score);

}  // namespace ivtrace::cli
