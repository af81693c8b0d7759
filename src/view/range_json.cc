#include "view/range_json.h"

#include <vector>

#include "view/slice_totals.h"

namespace ivtrace::view {
namespace {

constexpr std::size_t kRows = 50;  ///< of a table: what does not fit is the smallest

struct RangeColumn {
  const char* name;
  const char* unit;
};
/// `sql` has the parameters from and until, and gives the columns in their order.
struct RangeTable {
  const char* title;
  std::vector<RangeColumn> columns;
  const char* sql;
};

#define IVT_TOUCHES "from_ns < :until AND until_ns > :from"

const std::vector<RangeTable>& range_tables() {
  static const std::vector<RangeTable> kTables = {
      {"Requests on the host's devices",
       {{"device", ""},
        {"for", ""},
        {"task", ""},
        {"direction", ""},
        {"requests", ""},
        {"bytes", "bytes"},
        {"queued, mean", "ns"},
        {"with the device, mean", "ns"}},
       R"(SELECT device, owner, owner_task, direction, count(*), sum(bytes), avg(issued_ns - from_ns), avg(until_ns - issued_ns)
          FROM block_request WHERE machine = 'host' AND )" IVT_TOUCHES
       R"( GROUP BY 1, 2, 3, 4 ORDER BY sum(until_ns - from_ns) DESC)"},
      {"Losses",
       {{"machine", ""}, {"CPU", ""}, {"reason", ""}, {"holes", ""}, {"events", ""}},
       R"(SELECT machine, cpu, reason, count(*), sum(events)
          FROM loss WHERE from_ns < :until AND (until_ns IS NULL OR until_ns > :from) GROUP BY 1, 2, 3 ORDER BY 5 DESC)"},
  };
  return kTables;
}
#undef IVT_TOUCHES

Result<Json> table_json(query::Database& database, const RangeTable& table, const query::Parameters& range) {
  IVT_ASSIGN_OR_RETURN(const Answer answer, ask(database, table.sql, range, {.rows = kRows}));
  Json columns = Json::array();
  for (const RangeColumn& column : table.columns)
    columns.push_back({{"name", column.name}, {"unit", column.unit}});
  return Json{
      {"title", table.title}, {"columns", std::move(columns)}, {"rows", answer.rows}, {"more", answer.more}};
}

}  // namespace

Result<Json> range_json(Session& session, StopSource& stop, std::int64_t from_ns, std::int64_t until_ns) {
  const query::Parameters range = {{"from", from_ns}, {"until", until_ns}};
  return session.rows().use(stop, [&](query::Database& database) -> Result<Json> {
    Json tables = Json::array();
    IVT_ASSIGN_OR_RETURN(std::vector<SumTable> sums,
                         slice_totals(session.model_rows(), {from_ns, until_ns}, kRows, stop.flag()));
    for (SumTable& sum : sums) {
      tables.push_back({{"title", sum.title},
                        {"columns", std::move(sum.columns)},
                        {"rows", std::move(sum.rows)},
                        {"more", sum.more}});
    }
    for (const RangeTable& table : range_tables()) {
      IVT_ASSIGN_OR_RETURN(Json one, table_json(database, table, range));
      if (!one["rows"].empty()) tables.push_back(std::move(one));
    }
    return Json{{"tables", std::move(tables)}};
  });
}

}  // namespace ivtrace::view
