#include "patterns/pattern.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace ivtrace::patterns {
namespace {

constexpr std::string_view kComment = "--";
constexpr std::string_view kEvidence = "-- evidence:";
constexpr std::string_view kContinued = "   ";  // behind the comment's mark

/// Reads the lines of one file.
class Parser {
 public:
  Parser(Pattern& pattern, PatternProblem& problem) : pattern_(pattern), problem_(problem) {}

  bool parse(std::string_view text) {
    const std::vector<std::string_view> lines = split(text, '\n');
    std::size_t at = 0;
    for (; at < lines.size() && lines[at].starts_with(kComment); ++at) {
      if (!head_line(lines[at].substr(kComment.size()), at + 1)) return false;
    }
    if (!take_head(at)) return false;
    pattern_.query.line = at + 1;
    for (; at < lines.size(); ++at) {
      if (lines[at].starts_with(kEvidence)) {
        const std::string_view title = trim(lines[at].substr(kEvidence.size()));
        pattern_.evidence.push_back({std::string(title), "", at + 2});
        if (title.empty()) return fail(at + 1, "evidence has no title");
        continue;
      }
      PatternQuery& query = pattern_.evidence.empty() ? pattern_.query : pattern_.evidence.back();
      query.sql.append(lines[at]).append("\n");
    }
    if (trim(pattern_.query.sql).empty()) return fail(lines.size(), "there is no query behind the head");
    for (const PatternQuery& query : pattern_.evidence) {
      if (trim(query.sql).empty())
        return fail(query.line, "there is no query behind \"" + query.title + "\"");
    }
    return true;
  }

 private:
  bool fail(std::size_t line, std::string reason) {
    problem_ = {pattern_.name, pattern_.file, line, std::move(reason)};
    return false;
  }

  bool head_line(std::string_view line, std::size_t number) {
    if (line.starts_with(kContinued)) {
      if (value_ == nullptr) return fail(number, "there is no line that this one could go on");
      value_->append(" ").append(trim(line));
      return true;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos)
      return fail(number, "neither `-- key: value` nor a line that goes on, with three blanks");
    const std::string key(trim(line.substr(0, colon)));
    value_ = place_of(key);
    if (value_ == nullptr) {
      static const std::vector<std::string> kKeys = {"title", "means", "needs", "severity", "text", "advice"};
      const std::vector<std::string> nearest = nearest_names(key, kKeys, 1);
      return fail(number,
                  "unknown key \"" + key + "\"" +
                      (nearest.empty() ? std::string() : "; did you mean \"" + nearest.front() + "\"?"));
    }
    if (!seen_.insert(key).second) return fail(number, "a second \"" + key + "\"");
    if (key == "needs") needs_line_ = number;
    if (key == "severity") severity_line_ = number;
    *value_ = trim(line.substr(colon + 1));
    return true;
  }
  std::string* place_of(std::string_view key) {
    if (key == "title") return &pattern_.title;
    if (key == "means") return &pattern_.means;
    if (key == "text") return &pattern_.text;
    if (key == "advice") return &pattern_.advice;
    if (key == "needs") return &needs_;
    if (key == "severity") return &severity_;
    return nullptr;
  }

  bool take_head(std::size_t lines) {
    for (const char* key : {"title", "text"}) {
      if (place_of(key)->empty())
        return fail(lines == 0 ? 1 : lines, std::string("the head has no \"") + key + "\"");
    }
    if (seen_.contains("severity")) {
      const std::optional<Severity> severity = parse_severity(severity_);
      if (!severity) return fail(severity_line_, "severity is info, warning or critical");
      pattern_.severity = *severity;
    }
    for (const std::string_view piece : split(needs_, ',')) {
      const std::string_view need = trim(piece);
      if (need.empty()) continue;
      const std::size_t at = need.find('@');
      const std::string_view where = at == std::string_view::npos ? "" : need.substr(at + 1);
      if (at == 0 || (where != "host" && where != "guest"))
        return fail(needs_line_, "\"" + std::string(need) + "\" is not WHAT@host or WHAT@guest");
      pattern_.needs.push_back({std::string(need.substr(0, at)), where == "guest"});
    }
    return true;
  }

  Pattern& pattern_;
  PatternProblem& problem_;
  std::string needs_;
  std::string severity_;
  std::size_t needs_line_ = 0;
  std::size_t severity_line_ = 0;
  std::set<std::string> seen_;
  std::string* value_ = nullptr;  // that a continuation goes on
};

}  // namespace

const char* to_string(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kCritical:
      break;
  }
  return "critical";
}

std::optional<Severity> parse_severity(std::string_view word) {
  for (const Severity severity : {Severity::kInfo, Severity::kWarning, Severity::kCritical}) {
    if (word == to_string(severity)) return severity;
  }
  return std::nullopt;
}

std::string PatternProblem::text() const {
  const std::string where = file.empty() ? pattern + ".sql" : file;
  return where + (line > 0 ? ":" + std::to_string(line) : "") + ": " + reason;
}

std::optional<Pattern> parse_pattern(std::string name, std::string file, std::string_view text,
                                     PatternProblem& problem) {
  Pattern pattern;
  pattern.name = std::move(name);
  pattern.file = std::move(file);
  pattern.source = text;
  if (!Parser(pattern, problem).parse(text)) return std::nullopt;
  return pattern;
}

std::size_t line_of(const PatternQuery& query, std::size_t offset) {
  const auto end = query.sql.begin() + static_cast<std::ptrdiff_t>(std::min(offset, query.sql.size()));
  return query.line + static_cast<std::size_t>(std::count(query.sql.begin(), end, '\n'));
}

}  // namespace ivtrace::patterns
