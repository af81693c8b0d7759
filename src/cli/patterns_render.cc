#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/patterns_view.h"
#include "cli/text_table.h"

namespace ivtrace::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr auto kRight = TextTable::Align::kRight;

std::string needs_text(const patterns::Pattern& pattern) {
  std::string text;
  for (const patterns::Need& need : pattern.needs) text += (text.empty() ? "" : ", ") + need.text();
  return text;
}

std::string share_text(std::optional<double> share) { return share ? fmt::format("{:.2f}", *share) : "-"; }
Json share_json(std::optional<double> share) { return share ? Json(*share) : Json(); }

std::vector<std::string> names_of(const patterns::Score& score) {
  std::vector<std::string> names;
  for (const auto& [name, pattern] : score.patterns()) names.push_back(name);
  names.emplace_back();  // nothing
  return names;
}

/// Rows: what was to be found; columns, by number: what was.
void append_matrix(std::string& out, const patterns::Score& score) {
  const std::vector<std::string> names = names_of(score);
  std::vector<TextTable::Column> columns = {{"EXPECTED \\ FOUND"}, {"", kRight}};
  for (std::size_t i = 0; i + 1 < names.size(); ++i) columns.push_back({std::to_string(i + 1), kRight});
  columns.push_back({"nothing", kRight});
  TextTable table(std::move(columns));
  for (std::size_t row = 0; row < names.size(); ++row) {
    const bool is_nothing = names[row].empty();
    std::vector<std::string> cells = {is_nothing ? "nothing" : names[row],
                                      is_nothing ? "" : std::to_string(row + 1)};
    for (const std::string& found : names) {
      const std::uint64_t count = score.confused(names[row], found);
      cells.push_back(count == 0 ? "." : std::to_string(count));
    }
    table.add_row(std::move(cells));
  }
  table.append_to(out);
}

}  // namespace

std::string pattern_list_text(const patterns::Library& library) {
  TextTable table({{"PATTERN"}, {"SEVERITY"}, {"NEEDS"}, {"TITLE"}, {"FILE"}});
  for (const patterns::Pattern& pattern : library.patterns) {
    table.add_row({pattern.name, patterns::to_string(pattern.severity), needs_text(pattern), pattern.title,
                   pattern.file.empty() ? "(built in)" : pattern.file});
  }
  std::string out;
  table.append_to(out);
  return out;
}

std::string pattern_list_json(const patterns::Library& library) {
  Json list = Json::array();
  for (const patterns::Pattern& pattern : library.patterns) {
    Json needs = Json::array();
    for (const patterns::Need& need : pattern.needs) needs.push_back(need.text());
    list.push_back({{"pattern", pattern.name},
                    {"title", pattern.title},
                    {"means", pattern.means},
                    {"severity", patterns::to_string(pattern.severity)},
                    {"needs", std::move(needs)},
                    {"file", pattern.file.empty() ? Json() : Json(pattern.file)}});
  }
  const Json all = {{"patterns", std::move(list)}};
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string pattern_test_text(const PatternTestView& view, const patterns::Score& score) {
  std::string out;
  for (const PatternCaseView& one : view.cases) {
    const bool is_right = one.score.missed.empty() && one.score.wrong.empty();
    append_terminal_safe(out, fmt::format("{:<8}{}", is_right ? "ok" : "NOT OK", one.name));
    out += '\n';
    for (const std::string& missed : one.score.missed) {
      append_terminal_safe(out, "        missed: " + missed);
      out += '\n';
    }
    for (const std::string& wrong : one.score.wrong) {
      append_terminal_safe(out, "        wrong: " + wrong);
      out += '\n';
    }
  }
  out += '\n';
  append_matrix(out, score);
  out += '\n';
  TextTable table({{"PATTERN"},
                   {"RIGHT", kRight},
                   {"MISSED", kRight},
                   {"WRONG", kRight},
                   {"QUIET", kRight},
                   {"PRECISION", kRight},
                   {"RECALL", kRight}});
  for (const auto& [name, pattern] : score.patterns()) {
    table.add_row({name, std::to_string(pattern.right), std::to_string(pattern.missed),
                   std::to_string(pattern.wrong), std::to_string(pattern.quiet),
                   share_text(pattern.precision()), share_text(pattern.recall())});
  }
  table.append_to(out);
  const patterns::Offsets& offsets = score.offsets();
  if (offsets.shares > 0)
    out += fmt::format("\nculprits' shares: {} known, off by {:.2f} at most\n", offsets.shares,
                       offsets.worst_share);
  if (offsets.begins > 0) {
    out += fmt::format("begins: {} of {} within {:.1f} s\n", offsets.near, offsets.begins,
                       static_cast<double>(patterns::Offsets::kNear) / 1e9);
  }
  return out;
}

std::string pattern_test_json(const PatternTestView& view, const patterns::Score& score) {
  Json cases = Json::array();
  for (const PatternCaseView& one : view.cases)
    cases.push_back({{"case", one.name}, {"missed", one.score.missed}, {"wrong", one.score.wrong}});
  Json patterns = Json::array();
  for (const auto& [name, pattern] : score.patterns()) {
    patterns.push_back({{"pattern", name},
                        {"right", pattern.right},
                        {"missed", pattern.missed},
                        {"wrong", pattern.wrong},
                        {"quiet", pattern.quiet},
                        {"precision", share_json(pattern.precision())},
                        {"recall", share_json(pattern.recall())}});
  }
  Json confused = Json::array();
  for (const std::string& expected : names_of(score)) {
    for (const std::string& found : names_of(score)) {
      if (const std::uint64_t count = score.confused(expected, found); count > 0) {
        confused.push_back({{"expected", expected.empty() ? Json() : Json(expected)},
                            {"found", found.empty() ? Json() : Json(found)},
                            {"cases", count}});
      }
    }
  }
  const Json all = {{"cases", std::move(cases)},
                    {"patterns", std::move(patterns)},
                    {"confusion", std::move(confused)},
                    {"shares_known", score.offsets().shares},
                    {"shares_off", score.offsets().worst_share},
                    {"begins_known", score.offsets().begins},
                    {"begins_near", score.offsets().near}};
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ivtrace::cli
