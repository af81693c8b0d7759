#include "view/answer.h"

#include <cmath>

namespace ivtrace::view {

Json cell_json(const query::Cell& cell) {
  if (const auto* const number = std::get_if<std::int64_t>(&cell))
    return *number > kMostExact || *number < -kMostExact ? Json(std::to_string(*number)) : Json(*number);
  if (const auto* const real = std::get_if<double>(&cell)) return std::isfinite(*real) ? Json(*real) : Json();
  if (const auto* const text = std::get_if<std::string_view>(&cell)) return *text;
  return nullptr;
}

Json Answer::object(std::size_t row) const {
  Json json = Json::object();
  for (std::size_t i = 0; i < columns.size(); ++i) json[columns[i]] = rows[row][i];
  return json;
}

Json Answer::objects() const {
  Json json = Json::array();
  for (std::size_t i = 0; i < rows.size(); ++i) json.push_back(object(i));
  return json;
}

Result<Answer> ask(query::Database& database, std::string_view sql, const query::Parameters& parameters,
                   const Bounds& bounds) {
  constexpr std::size_t kCellBytes = 16;  // of one that is no text
  IVT_ASSIGN_OR_RETURN(query::Statement statement, database.prepare(sql, parameters));
  Answer answer;
  answer.columns = statement.columns();
  std::size_t bytes = 0;
  for (;;) {
    IVT_ASSIGN_OR_RETURN(const bool is_there, statement.step());
    if (!is_there) return answer;
    std::vector<query::Cell> cells;
    for (std::size_t i = 0; i < answer.columns.size(); ++i) {
      cells.push_back(statement.cell(i));
      const auto* const text = std::get_if<std::string_view>(&cells.back());
      bytes += kCellBytes + (text != nullptr ? text->size() : 0);
    }
    answer.more = answer.rows.size() == bounds.rows || bytes > bounds.bytes;
    if (answer.more) return answer;
    std::vector<Json>& row = answer.rows.emplace_back();
    for (const query::Cell& cell : cells) row.push_back(cell_json(cell));
  }
}

}  // namespace ivtrace::view
