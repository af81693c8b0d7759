#include "view/sql_json.h"

namespace ivtrace::view {
namespace {

struct SqlAsked {
  std::string sql;
  std::int64_t limit = 1000;
};

Result<SqlAsked> parse_asked(std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  const bool is_object = json.is_object() && json.contains("sql") && json["sql"].is_string();
  if (!is_object) return Error(ErrorCode::kInvalid, "the body is no question", R"({"sql": "SELECT …"})");
  SqlAsked asked;
  asked.sql = json["sql"].get<std::string>();
  if (!json.contains("limit")) return asked;
  if (!json["limit"].is_number_integer() || json["limit"] < 1 || json["limit"] > kMostSqlRows)
    return Error(ErrorCode::kInvalid, "limit is not within 1 to " + std::to_string(kMostSqlRows));
  asked.limit = json["limit"].get<std::int64_t>();
  return asked;
}

}  // namespace

Reply sql_reply(Session& session, StopSource& stop, std::string_view body) {
  const Result<SqlAsked> asked = parse_asked(body);
  if (!asked) return error_reply(asked.error());
  std::optional<std::size_t> offset;
  const Result<Json> answered = session.rows().use(stop, [&](query::Database& database) -> Result<Json> {
    Result<Answer> answer =
        ask(database, asked->sql, {}, {.rows = static_cast<std::size_t>(asked->limit), .bytes = 8 << 20});
    offset = database.error_offset();
    session.take_notices(database);
    if (!answer) return answer.error();
    return Json{{"columns", std::move(answer->columns)},
                {"rows", std::move(answer->rows)},
                {"more", answer->more},
                {"notices", session.notices()}};
  });
  if (answered) return {200, json_text(*answered)};
  Reply reply = error_reply(answered.error());
  if (!offset) return reply;
  Json json = Json::parse(reply.body);
  json["offset"] = *offset;
  reply.body = json_text(json);
  return reply;
}

Result<Json> tables_json(Session& session, StopSource& stop) {
  return session.events().use(stop, [&](query::Database& database) -> Result<Json> {
    Json tables = Json::array();
    for (const query::TableInfo* table : database.tables()) {
      Json columns = Json::array();
      for (const query::Column& column : table->columns) {
        columns.push_back({{"name", column.name},
                           {"type", to_string(column.type)},
                           {"unit", column.unit},
                           {"about", column.meaning}});
      }
      tables.push_back({{"name", table->name}, {"about", table->meaning}, {"columns", std::move(columns)}});
    }
    return Json{{"tables", std::move(tables)}};
  });
}

}  // namespace ivtrace::view
