#include "exchange/timedoctor_rows.h"

#include <fmt/format.h>

namespace ivtrace::exchange {
namespace {

/// All stretches, of whatever table, with the block and the line that they belong to.
///
/// A CPU's tasks and interrupts share a block. A vCPU's states have one of their own, since who had the
/// guest's CPU and what the host let it do are two questions; `thread` stands for the vCPUs of a thread that
/// runs several.
///
/// An instant is a stretch of no length. Of a counter, a stretch is as long as one value holds.
std::string slices_sql(Tables& tables) {
  const auto condition = [&tables](const char* table) {
    return tables.condition(*tables.database().find(table));
  };
  return fmt::format(
      R"(WITH slice(guest, machine, part, cpu, thread, topic, number, name, comm, owner, since, until, value, text) AS (
  SELECT machine <> 'host', machine, 0, cpu, 0, 0, tid, '', comm, owner, from_ns, until_ns, NULL, NULL
    FROM sched_slice{}
  UNION ALL
  SELECT machine <> 'host', machine, 0, cpu, 0, CASE kind WHEN 'irq' THEN 1 ELSE 2 END, irq,
         coalesce(name, ''), NULL, NULL, from_ns, until_ns, NULL, NULL
    FROM irq_slice{}
  UNION ALL
  SELECT 1, machine, 1, coalesce(vcpu, 0), CASE WHEN vcpu IS NULL THEN thread ELSE 0 END, 3, 0,
         state || coalesce(':' || by_machine, ''), NULL, NULL, from_ns, until_ns, NULL, NULL
    FROM vcpu_slice{}
  UNION ALL
  SELECT machine <> 'host', machine, 2, 0, 0, 4, 0, device || ':' || direction, NULL, NULL, from_ns, until_ns,
         NULL, NULL
    FROM block_request{}
  UNION ALL
  SELECT machine <> 'host', machine, 3, 0, 0, 5, (tgid << 32) | (tid & 0xffffffff), coalesce(name, ''), NULL, NULL,
         from_ns, until_ns, NULL, NULL
    FROM mark_slice{}
  UNION ALL
  SELECT machine <> 'host', machine, 3, 0, 0, 6, (tgid << 32) | (tid & 0xffffffff), '', NULL, NULL,
         time_ns, time_ns, NULL, name
    FROM mark_instant{}
  UNION ALL
  SELECT machine <> 'host', machine, 3, 0, 0, 7, tgid, coalesce(name, ''), NULL, NULL, from_ns, until_ns,
         value, NULL
    FROM mark_counter{}),
bound AS (
  SELECT guest, machine, part, cpu, thread, topic, number, name, comm, owner,
         min(max(since, :begin), :end) AS since, min(max(until, :begin), :end) AS until, value, text
    FROM slice)
)",
      condition("sched_slice"), condition("irq_slice"), condition("vcpu_slice"), condition("block_request"),
      condition("mark_slice"), condition("mark_instant"), condition("mark_counter"));
}

}  // namespace

std::string timedoctor_lines_sql(Tables& tables) {
  // Name and owner are those of the longest stretch: with max() they come from its row.
  return slices_sql(tables) + R"(
SELECT guest, machine, part, cpu, thread, topic, number, name, comm, owner, max(until - since)
  FROM bound
  GROUP BY guest, machine, part, cpu, thread, topic, number, name
  ORDER BY guest, machine, part, cpu, thread, topic, sum(until - since) DESC, number, name)";
}

std::string timedoctor_samples_sql(Tables& tables) {
  // Of one time: what stops comes before what starts, the inner before the outer, and the outer starts first.
  return slices_sql(tables) + R"(, edge(edge) AS (VALUES (0), (1), (2))
SELECT guest, machine, part, cpu, thread, topic, number, name,
       CASE edge WHEN 0 THEN until ELSE since END AS time, edge, value, text
  FROM bound CROSS JOIN edge
  WHERE (edge = 1) = (since = until)
  ORDER BY guest, machine, part, cpu, thread, time, edge, CASE edge WHEN 0 THEN -since ELSE -until END)";
}

std::string timedoctor_notes_sql(Tables& tables) {
  query::Database& database = tables.database();
  return fmt::format(
      R"(SELECT min(max(from_ns, :begin), :end) AS time, 0, victim, severity || ': ' || text FROM finding{}
UNION ALL
SELECT min(max(from_ns, :begin), :end), 1, machine,
       machine || coalesce(':cpu' || cpu, '') || ': ' || coalesce(events, 'some') || ' events are lost, '
       || reason
  FROM loss{}
ORDER BY time)",
      tables.condition(*database.find("finding")), tables.condition(*database.find("loss")));
}

}  // namespace ivtrace::exchange
