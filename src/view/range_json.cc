#include "view/range_json.h"

#include <array>

namespace ivtrace::view {
namespace {

constexpr std::size_t kRows = 50;  ///< of a table: what does not fit is the smallest

struct RangeColumn {
  const char* name;
  const char* unit;
};
/// `sql` has the parameters from and until, and gives the columns in their order. Slices are cut at both.
struct RangeTable {
  const char* title;
  std::vector<RangeColumn> columns;
  const char* sql;
};

/// In each query: the part of a row's time that lies within the stretch. Where a loss has no end it is the
/// stretch's.
#define IVT_WITHIN "sum(min(until_ns, :until) - max(from_ns, :from))"
#define IVT_TOUCHES "from_ns < :until AND until_ns > :from"

const std::vector<RangeTable>& range_tables() {
  static const std::vector<RangeTable> kTables = {
      {"Who had the host's CPUs",
       {{"for", ""}, {"task", ""}, {"thread", ""}, {"time", "ns"}, {"share", "share"}, {"times", ""}},
       R"(SELECT CASE WHEN s.tid = 0 THEN 'idle' ELSE ifnull(s.owner, 'host') END,
                 CASE WHEN s.tid = 0 THEN '' WHEN t.vcpu IS NOT NULL THEN 'vCPU ' || t.vcpu ELSE ifnull(s.comm, '?') END,
                 s.tid, s.ns, s.ns * 1.0 / (SELECT count(DISTINCT cpu) * (:until - :from) FROM sched_slice
                                            WHERE machine = 'host' AND )" IVT_TOUCHES R"(), s.n
          FROM (SELECT tid, owner, max(comm) AS comm, )" IVT_WITHIN R"( AS ns, count(*) AS n FROM sched_slice
                WHERE machine = 'host' AND )" IVT_TOUCHES R"( GROUP BY tid, owner) s
          LEFT JOIN (SELECT tid, guest, vcpu FROM thread WHERE machine = 'host' AND vcpu IS NOT NULL) t
            ON t.tid = s.tid AND t.guest = s.owner
          ORDER BY s.ns DESC)"},
      {"What vCPUs did",
       {{"machine", ""},
        {"vCPU", ""},
        {"state", ""},
        {"why", ""},
        {"time", "ns"},
        {"share", "share"},
        {"times", ""}},
       R"(SELECT machine, vcpu, state, CASE state WHEN 'exit' THEN reason END, )" IVT_WITHIN R"( AS ns,
                 )" IVT_WITHIN R"( * 1.0 / (:until - :from), count(*)
          FROM vcpu_slice WHERE )" IVT_TOUCHES R"( GROUP BY 1, thread, vcpu, 3, 4 ORDER BY ns DESC)"},
      {"Who ran while vCPUs had to wait",
       {{"machine", ""},
        {"vCPU", ""},
        {"for", ""},
        {"task", ""},
        {"thread", ""},
        {"time", "ns"},
        {"times", ""}},
       R"(SELECT machine, vcpu, by_machine, by_comm, by_tid, )" IVT_WITHIN R"( AS ns, count(*)
          FROM vcpu_slice WHERE state = 'preempted' AND )" IVT_TOUCHES
       R"( GROUP BY 1, thread, vcpu, 3, 4, 5 ORDER BY ns DESC)"},
      {"What ran in the guests",
       {{"machine", ""}, {"task", ""}, {"thread", ""}, {"time", "ns"}, {"times", ""}},
       R"(SELECT machine, CASE tid WHEN 0 THEN 'idle' ELSE max(comm) END, tid, )" IVT_WITHIN
       R"( AS ns, count(*)
          FROM sched_slice WHERE machine <> 'host' AND )" IVT_TOUCHES
       R"( GROUP BY machine, tid ORDER BY ns DESC)"},
      {"Requests of the guests",
       {{"machine", ""},
        {"disk", ""},
        {"direction", ""},
        {"requests", ""},
        {"bytes", "bytes"},
        {"mean", "ns"},
        {"longest", "ns"}},
       R"(SELECT machine, ifnull(disk, device), direction, count(*), sum(bytes), avg(until_ns - from_ns), max(until_ns - from_ns)
          FROM io_request WHERE )" IVT_TOUCHES
       R"( GROUP BY machine, device, direction ORDER BY sum(until_ns - from_ns) DESC)"},
      {"Where these requests were",
       {{"machine", ""},
        {"disk", ""},
        {"direction", ""},
        {"phase", ""},
        {"time", "ns"},
        {"share", "share"},
        {"mean", "ns"}},
       R"(WITH parts AS MATERIALIZED (
            SELECT r.machine, ifnull(r.disk, r.device) AS disk, r.direction, p.phase, sum(p.until_ns - p.from_ns) AS ns,
                   avg(p.until_ns - p.from_ns) AS mean
            FROM io_request r JOIN io_phase p ON p.request = r.id
            WHERE r.from_ns < :until AND r.until_ns > :from GROUP BY r.machine, r.device, r.direction, p.phase)
          SELECT machine, disk, direction, phase, ns, ns * 1.0 / sum(ns) OVER (PARTITION BY machine, disk, direction), mean
          FROM parts ORDER BY ns DESC)"},
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
      {"Interrupts",
       {{"machine", ""}, {"kind", ""}, {"name", ""}, {"time", "ns"}, {"times", ""}},
       R"(SELECT machine, kind, ifnull(name, irq), )" IVT_WITHIN R"( AS ns, count(*)
          FROM irq_slice WHERE )" IVT_TOUCHES R"( GROUP BY 1, 2, 3 ORDER BY ns DESC)"},
      {"Losses",
       {{"machine", ""}, {"CPU", ""}, {"reason", ""}, {"holes", ""}, {"events", ""}},
       R"(SELECT machine, cpu, reason, count(*), sum(events)
          FROM loss WHERE from_ns < :until AND (until_ns IS NULL OR until_ns > :from) GROUP BY 1, 2, 3 ORDER BY 5 DESC)"},
  };
  return kTables;
}
#undef IVT_WITHIN
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
    for (const RangeTable& table : range_tables()) {
      IVT_ASSIGN_OR_RETURN(Json one, table_json(database, table, range));
      if (!one["rows"].empty()) tables.push_back(std::move(one));
    }
    return Json{{"tables", std::move(tables)}};
  });
}

}  // namespace ivtrace::view
