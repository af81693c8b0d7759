// What ran: threads on CPUs, interrupts, vCPUs.
#include <fmt/format.h>

#include <array>
#include <string>

#include "exchange/perfetto_tables.h"

namespace ivtrace::exchange {
namespace {

/// A slice of a row that has the columns from_ns, until_ns, machine first.
void put_slice(const PerfettoTables& tables, const query::Statement& row, PerfettoGroup group,
               const std::string& track, std::int32_t rank, const PerfettoLabel& label) {
  const std::int64_t from = tables.clip(integer_of(row.cell(0)));
  const std::int64_t until = tables.clip(integer_of(row.cell(1)));
  const PerfettoTrack lane = tables.tracks.lanes(text_of(row.cell(2)), group, track, rank).take(from, until);
  tables.writer.begin(lane, from, label);
  tables.writer.end(lane, until);
  ++tables.job.summary.events;
}

}  // namespace

Status write_sched_slices(const PerfettoTables& tables) {
  return tables.each_row(
      "threads on CPUs",
      "SELECT from_ns, until_ns, machine, cpu, tid, comm, end_state, owner FROM sched_slice "
      "WHERE until_ns >= :from AND from_ns <= :until AND tid <> 0",
      [&tables](const query::Statement& row) {
        const std::int64_t cpu = integer_of(row.cell(3));
        const std::string unnamed = fmt::format("thread {}", integer_of(row.cell(4)));
        const std::array<PerfettoNote, 3> notes = {
            {{"tid", row.cell(4)}, {"left the CPU", row.cell(6)}, {"works for", row.cell(7)}}};
        put_slice(tables, row, PerfettoGroup::kCpus, fmt::format("CPU {}", cpu),
                  static_cast<std::int32_t>(cpu), {text_of(row.cell(5), unnamed), notes});
      });
}

Status write_interrupts(const PerfettoTables& tables) {
  return tables.each_row("interrupts",
                         "SELECT from_ns, until_ns, machine, cpu, kind, irq, name FROM irq_slice "
                         "WHERE until_ns >= :from AND from_ns <= :until",
                         [&tables](const query::Statement& row) {
                           const std::int64_t cpu = integer_of(row.cell(3));
                           const bool deferred = text_of(row.cell(4)) == "softirq";
                           const std::string unnamed =
                               fmt::format("{} {}", text_of(row.cell(4)), integer_of(row.cell(5)));
                           const std::array<PerfettoNote, 1> notes = {{{"number", row.cell(5)}}};
                           // A handler may come in the middle of deferred work: the two have tracks of their
                           // own.
                           put_slice(tables, row, PerfettoGroup::kInterrupts,
                                     fmt::format("CPU {} {}", cpu, deferred ? "deferred work" : "handlers"),
                                     static_cast<std::int32_t>(2 * cpu + (deferred ? 1 : 0)),
                                     {text_of(row.cell(6), unnamed), notes});
                         });
}

Status write_vcpu_slices(const PerfettoTables& tables) {
  return tables.each_row(
      "vCPUs",
      "SELECT from_ns, until_ns, machine, vcpu, thread, state, reason, by_tid, by_comm, by_machine, open "
      "FROM vcpu_slice WHERE until_ns >= :from AND from_ns <= :until",
      [&tables](const query::Statement& row) {
        const std::int64_t vcpu = integer_of(row.cell(3), -1);
        const std::string track = vcpu >= 0 ? fmt::format("vCPU {}", vcpu)
                                            : fmt::format("vCPUs of thread {}", integer_of(row.cell(4)));
        const std::array<PerfettoNote, 6> notes = {{{"host's thread", row.cell(4)},
                                                    {"left the guest for", row.cell(6)},
                                                    {"CPU taken by tid", row.cell(7)},
                                                    {"CPU taken by", row.cell(8)},
                                                    {"which works for", row.cell(9)},
                                                    {"cut by the run's end", row.cell(10)}}};
        put_slice(tables, row, PerfettoGroup::kVcpus, track, static_cast<std::int32_t>(vcpu),
                  {text_of(row.cell(5)), notes});
      });
}

}  // namespace ivtrace::exchange
