#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "base/text.h"
#include "cli/diagnosis_view.h"
#include "cli/text_table.h"

namespace ivtrace::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string seconds(std::int64_t ns) { return fmt::format("{:.3f} s", static_cast<double>(ns) / 1e9); }

void append_line(std::string& out, std::string_view indent, std::string_view text) {
  out += indent;
  append_terminal_safe(out, text);
  out += '\n';
}

/// Broken between words, at some 110 characters.
void append_paragraph(std::string& out, std::string_view indent, std::string_view text) {
  constexpr std::size_t kWidth = 110;
  std::string line;
  for (const std::string_view word : split(text, ' ')) {
    if (!line.empty() && display_width(line) + 1 + display_width(word) > kWidth - indent.size()) {
      append_line(out, indent, line);
      line.clear();
    }
    line.append(line.empty() ? "" : " ").append(word);
  }
  if (!line.empty()) append_line(out, indent, line);
}

void append_evidence(std::string& out, const patterns::Evidence& evidence) {
  if (evidence.rows.empty()) return;
  append_line(out, "  ", evidence.title + ":");
  std::vector<TextTable::Column> columns;
  for (std::size_t i = 0; i < evidence.columns.size(); ++i) {
    const bool is_text = std::any_of(evidence.rows.begin(), evidence.rows.end(), [&](const auto& row) {
      return std::holds_alternative<std::string>(row[i]);
    });
    columns.push_back({evidence.columns[i], is_text ? TextTable::Align::kLeft : TextTable::Align::kRight});
  }
  TextTable table(std::move(columns));
  for (const auto& row : evidence.rows) {
    std::vector<std::string> cells;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool is_null = std::holds_alternative<std::monostate>(row[i]);
      cells.push_back(is_null ? "" : patterns::value_text(evidence.columns[i], row[i]));
    }
    table.add_row(std::move(cells));
  }
  table.append_to(out, "    ");
  if (evidence.more) append_line(out, "    ", "…");
}

void append_finding(std::string& out, const patterns::Finding& finding) {
  std::string culprit;
  if (finding.culprit) {
    culprit = " <- " + *finding.culprit;
    if (finding.share) culprit += fmt::format(" ({:.0f} %)", *finding.share * 100);
  }
  append_line(out, "",
              fmt::format("{}  {}{}: {}", patterns::to_string(finding.severity), finding.victim, culprit,
                          finding.title));
  append_line(out, "  ",
              fmt::format("{} to {}, confidence {:.2f}, pattern {}", seconds(finding.from_ns),
                          seconds(finding.until_ns), finding.confidence, finding.pattern));
  append_paragraph(out, "  ", finding.text);
  if (!finding.advice.empty()) append_paragraph(out, "  ", "To do: " + finding.advice);
  for (const patterns::Evidence& evidence : finding.evidence) append_evidence(out, evidence);
  out += '\n';
}

/// One line for all patterns that lack the same.
void append_unknown(std::string& out, const std::vector<patterns::Unknown>& unknown) {
  std::map<std::tuple<std::string, std::string, std::string>, std::set<std::string>> by_reason;
  for (const patterns::Unknown& one : unknown)
    by_reason[{one.machine, one.reason, one.option}].insert(one.pattern);
  for (const auto& [what, names] : by_reason) {
    const auto& [machine, reason, option] = what;
    append_line(out, "",
                fmt::format("unknown  {}{}: {}{}", machine.empty() ? "" : machine + ": ",
                            fmt::join(names, ", "), reason, option.empty() ? "" : " (" + option + ")"));
  }
}

Json cell_json(const query::OwnedCell& cell) {
  if (const auto* const number = std::get_if<std::int64_t>(&cell)) return *number;
  if (const auto* const real = std::get_if<double>(&cell)) return *real;
  if (const auto* const text = std::get_if<std::string>(&cell)) return *text;
  return nullptr;
}

Json evidence_json(const patterns::Evidence& evidence) {
  Json rows = Json::array();
  for (const auto& row : evidence.rows) {
    Json object = Json::object();
    for (std::size_t i = 0; i < row.size(); ++i) object[evidence.columns[i]] = cell_json(row[i]);
    rows.push_back(std::move(object));
  }
  return {{"title", evidence.title}, {"rows", std::move(rows)}, {"more", evidence.more}};
}

Json finding_json(const patterns::Finding& finding) {
  Json numbers = Json::object();
  for (const auto& [name, value] : finding.numbers) numbers[name] = cell_json(value);
  Json evidence = Json::array();
  for (const patterns::Evidence& one : finding.evidence) evidence.push_back(evidence_json(one));
  return {{"pattern", finding.pattern},
          {"title", finding.title},
          {"severity", patterns::to_string(finding.severity)},
          {"victim", finding.victim},
          {"culprit", finding.culprit ? Json(*finding.culprit) : Json()},
          {"share", finding.share ? Json(*finding.share) : Json()},
          {"from_ns", finding.from_ns},
          {"until_ns", finding.until_ns},
          {"confidence", finding.confidence},
          {"text", finding.text},
          {"advice", finding.advice},
          {"numbers", std::move(numbers)},
          {"evidence", std::move(evidence)}};
}

}  // namespace

std::string diagnosis_text(const patterns::Diagnosis& diagnosis) {
  std::string out;
  for (const patterns::Finding& finding : diagnosis.findings) append_finding(out, finding);
  append_unknown(out, diagnosis.unknown);
  const std::size_t count = diagnosis.findings.size();
  append_line(out, "",
              fmt::format("{} {} tried, {}", diagnosis.tried, diagnosis.tried == 1 ? "pattern" : "patterns",
                          count == 0   ? std::string("nothing found")
                          : count == 1 ? std::string("1 finding")
                                       : fmt::format("{} findings", count)));
  return out;
}

std::string diagnosis_json(const patterns::Diagnosis& diagnosis) {
  Json findings = Json::array();
  for (const patterns::Finding& finding : diagnosis.findings) findings.push_back(finding_json(finding));
  Json unknown = Json::array();
  for (const patterns::Unknown& one : diagnosis.unknown) {
    unknown.push_back({{"pattern", one.pattern},
                       {"machine", one.machine.empty() ? Json() : Json(one.machine)},
                       {"reason", one.reason},
                       {"option", one.option.empty() ? Json() : Json(one.option)}});
  }
  Json problems = Json::array();
  for (const patterns::PatternProblem& problem : diagnosis.problems) {
    problems.push_back({{"pattern", problem.pattern},
                        {"file", problem.file.empty() ? Json() : Json(problem.file)},
                        {"line", problem.line},
                        {"reason", problem.reason}});
  }
  const Json all = {{"findings", std::move(findings)},
                    {"unknown", std::move(unknown)},
                    {"problems", std::move(problems)},
                    {"tried", diagnosis.tried}};
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ivtrace::cli
