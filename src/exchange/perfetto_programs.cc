// What programs said by marks: slices of their threads, moments, counters.
#include <fmt/format.h>

#include <array>
#include <set>
#include <string>

#include "exchange/perfetto_tables.h"

namespace ivtrace::exchange {
namespace {

/// Of a machine: threads and counters that have a track of their own. Their numbers and names are a guest's
/// word.
constexpr std::size_t kMaxTracks = 1024;

/// Names of tracks, of which a machine may have so many; what comes later shares one.
class TrackNames {
 public:
  std::string name(std::string_view machine, std::string wanted, const char* otherwise) {
    std::set<std::string>& known = names_[std::string(machine)];
    if (known.contains(wanted)) return wanted;
    if (known.size() >= kMaxTracks) return otherwise;
    known.insert(wanted);
    return wanted;
  }

 private:
  std::map<std::string, std::set<std::string>> names_;
};

std::string thread_name(std::int64_t tgid, std::int64_t tid) {
  if (tgid == 0) return fmt::format("thread {}", tid);  // its process is not known
  return tgid == tid ? fmt::format("process {}", tgid) : fmt::format("process {} thread {}", tgid, tid);
}

std::string counter_name(std::string_view name, std::int64_t tgid) {
  return tgid == 0 ? std::string(name) : fmt::format("{} ({})", name, tgid);
}

}  // namespace

Status write_program_marks(const PerfettoTables& tables) {
  TrackNames threads, counters;
  const auto lanes = [&](const query::Statement& row) -> PerfettoLanes& {
    const std::string_view machine = text_of(row.cell(2));
    const std::string name = threads.name(
        machine, thread_name(integer_of(row.cell(3)), integer_of(row.cell(4))), "further threads");
    return tables.tracks.lanes(machine, PerfettoGroup::kPrograms, name, 0);
  };
  // By depth, so that what lies within a slice stands below it.
  IVT_RETURN_IF_ERROR(tables.each_row(
      "programs' slices",
      "SELECT from_ns, until_ns, machine, tgid, tid, name, nullif(open, 0), nullif(doubtful, 0) FROM "
      "mark_slice "
      "WHERE until_ns >= :from AND from_ns <= :until ORDER BY depth, from_ns",
      [&](const query::Statement& row) {
        const std::int64_t from = tables.clip(integer_of(row.cell(0)));
        const std::int64_t until = tables.clip(integer_of(row.cell(1)));
        const std::array<PerfettoNote, 4> notes = {{{"tgid", row.cell(3)},
                                                    {"tid", row.cell(4)},
                                                    {"cut by the run's end", row.cell(6)},
                                                    {"events were lost within it", row.cell(7)}}};
        const PerfettoTrack track = lanes(row).take(from, until);
        tables.writer.begin(track, from, {text_of(row.cell(5), "unnamed"), notes});
        tables.writer.end(track, until);
        ++tables.job.summary.events;
      }));
  IVT_RETURN_IF_ERROR(tables.each_row(
      "programs' instants",
      "SELECT time_ns, time_ns, machine, tgid, tid, name, cpu FROM mark_instant "
      "WHERE time_ns BETWEEN :from AND :until",
      [&](const query::Statement& row) {
        const std::int64_t time = integer_of(row.cell(0));
        const std::array<PerfettoNote, 3> notes = {
            {{"tgid", row.cell(3)}, {"tid", row.cell(4)}, {"CPU", row.cell(6)}}};
        tables.writer.instant(lanes(row).take(time, time), time, {text_of(row.cell(5), "unnamed"), notes});
        ++tables.job.summary.events;
      }));
  return tables.each_row(
      "programs' counters",
      "SELECT from_ns, until_ns, machine, tgid, name, value FROM mark_counter "
      "WHERE until_ns >= :from AND from_ns <= :until",
      [&](const query::Statement& row) {
        const std::string_view machine = text_of(row.cell(2));
        const std::string name =
            counters.name(machine, counter_name(text_of(row.cell(4), "unnamed"), integer_of(row.cell(3))),
                          "further counters");
        tables.writer.value(tables.tracks.counter(machine, PerfettoGroup::kPrograms, name),
                            tables.clip(integer_of(row.cell(0))), integer_of(row.cell(5)));
        ++tables.job.summary.events;
      });
}

}  // namespace ivtrace::exchange
