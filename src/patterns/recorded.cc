#include "patterns/recorded.h"

#include <fmt/format.h>

#include "patterns/judge.h"

namespace ivtrace::patterns {
namespace {

/// Calls `row` with each row's cells.
template <class Row>
Status each_row(query::Database& database, const char* sql, Row&& row) {
  IVT_ASSIGN_OR_RETURN(query::Statement statement, database.prepare(sql));
  while (true) {
    IVT_ASSIGN_OR_RETURN(const bool more, statement.step());
    if (!more) return {};
    std::vector<query::OwnedCell> cells;
    for (std::size_t i = 0; i < statement.columns().size(); ++i) cells.push_back(statement.owned_cell(i));
    row(cells);
  }
}

std::string text(const query::OwnedCell& cell) {
  const auto* const found = std::get_if<std::string>(&cell);
  return found != nullptr ? *found : std::string();
}

}  // namespace

Result<Recorded> Recorded::read(query::Database& database) {
  Recorded recorded;
  IVT_RETURN_IF_ERROR(each_row(database, "SELECT name FROM machine WHERE kind = 'guest'",
                               [&](const auto& cells) { recorded.guests_.push_back(text(cells[0])); }));
  IVT_RETURN_IF_ERROR(each_row(database, "SELECT machine, what, recorded, reason, option FROM recorded",
                               [&](const auto& cells) {
                                 const auto* const there = std::get_if<std::int64_t>(&cells[2]);
                                 recorded.facts_[{text(cells[0]), text(cells[1])}] = {
                                     there != nullptr && *there != 0, text(cells[3]), text(cells[4])};
                               }));
  constexpr const char* kLost =
      "SELECT machine, total(0.0 + overrun + dropped + commit_overrun) / "
      "total(0.0 + delivered + overrun + dropped + commit_overrun) FROM cpu WHERE delivered IS NOT NULL "
      "GROUP BY machine";
  IVT_RETURN_IF_ERROR(each_row(database, kLost, [&](const auto& cells) {
    if (const auto* const share = std::get_if<double>(&cells[1])) recorded.lost_[text(cells[0])] = *share;
  }));
  return recorded;
}

std::vector<std::string> Recorded::guests() const { return guests_; }

Recorded::Fact Recorded::find(const std::string& what, const std::string& machine) const {
  const auto lost = lost_.find(machine);
  if (what != "counters" && lost != lost_.end() && lost->second > kMostLost) {
    return {false, fmt::format("{:.0f} % of its events were lost", lost->second * 100),
            "record with a larger --buffer-size, or fewer --events"};
  }
  const auto found = facts_.find({machine, what});
  return found != facts_.end() ? found->second : Fact{false, "nothing tells whether it was recorded", ""};
}

Recorded::Fact Recorded::no_guest() const {
  const auto found = facts_.find({"", "guest"});
  return found != facts_.end() ? found->second : Fact{false, "no guest was recorded", ""};
}

}  // namespace ivtrace::patterns
