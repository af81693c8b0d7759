// A pattern's file may hold anything: it is a pattern, or its problem is told with a line that the file has.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "patterns/finding.h"
#include "patterns/pattern.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ivtrace::patterns;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  PatternProblem problem;
  const std::optional<Pattern> pattern = parse_pattern("fuzz", "", text, problem);
  if (!pattern) {
    // Evidence may end where its query should begin: one line behind the last.
    if (problem.reason.empty() || problem.line == 0 || problem.line > lines + 1) std::abort();
    return 0;
  }
  if (pattern->title.empty() || pattern->text.empty() || pattern->query.line > lines) std::abort();
  unknown_column(pattern->text, {"victim"});
  fill_in(pattern->text, {{"victim", "vm1"}});
  for (const PatternQuery& query : pattern->evidence) {
    if (line_of(query, query.sql.size()) > lines + 1) std::abort();
  }
  return 0;
}
