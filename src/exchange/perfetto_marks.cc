// Markers: where events are missing, and what the patterns found.
#include <fmt/format.h>

#include <array>
#include <string>

#include "base/line_format.h"
#include "exchange/perfetto_tables.h"

namespace ivtrace::exchange {

Status write_losses(const PerfettoTables& tables) {
  return tables.each_row(
      "losses",
      "SELECT from_ns, coalesce(until_ns, from_ns), machine, cpu, events, bytes, reason FROM loss "
      "WHERE coalesce(until_ns, from_ns) >= :from AND from_ns <= :until",
      [&tables](const query::Statement& row) {
        const std::int64_t until = tables.clip(integer_of(row.cell(1)));
        const std::int64_t lost = integer_of(row.cell(4), -1);
        const std::string name = lost < 0 ? std::string("lost an unknown number of events")
                                          : "lost " + grouped(static_cast<std::uint64_t>(lost)) + " events";
        const std::int64_t lasted = integer_of(row.cell(1)) - integer_of(row.cell(0));
        const std::array<PerfettoNote, 4> notes = {{{"reason", row.cell(6)},
                                                    {"CPU", row.cell(3)},
                                                    {"bytes", row.cell(5)},
                                                    {"ns since the last event", lasted}}};
        const PerfettoTrack track =
            tables.tracks.lanes(text_of(row.cell(2)), PerfettoGroup::kLosses, "Losses", 0).take(until, until);
        tables.writer.instant(track, until, {name, notes});
        ++tables.job.summary.events;
      });
}

Status write_findings(const PerfettoTables& tables) {
  PerfettoTrack track = 0;
  return tables.each_row(
      "findings",
      "SELECT from_ns, until_ns, victim, title, pattern, severity, culprit, share, confidence, impact_ns, "
      "text, "
      "advice FROM finding WHERE until_ns >= :from AND from_ns <= :until ORDER BY from_ns",
      [&tables, &track](const query::Statement& row) {
        if (track == 0) track = tables.writer.track(0, "Findings", 0);
        const std::int64_t lasted = integer_of(row.cell(1)) - integer_of(row.cell(0));
        const std::array<PerfettoNote, 10> notes = {{{"finding", row.cell(10)},
                                                     {"advice", row.cell(11)},
                                                     {"severity", row.cell(5)},
                                                     {"victim", row.cell(2)},
                                                     {"culprit", row.cell(6)},
                                                     {"share", row.cell(7)},
                                                     {"confidence", row.cell(8)},
                                                     {"cost the victim, ns", row.cell(9)},
                                                     {"lasts, ns", lasted},
                                                     {"pattern", row.cell(4)}}};
        tables.writer.instant(track, tables.clip(integer_of(row.cell(0))), {text_of(row.cell(3)), notes});
        ++tables.job.summary.events;
      });
}

}  // namespace ivtrace::exchange
