#include "exchange/ctf_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "base/line_format.h"
#include "exchange/ctf_machine.h"
#include "format/run_layout.h"
#include "merge/place_notices.h"

namespace ivtrace::exchange {
namespace {

/// Events between two looks at what may end the export.
constexpr std::uint64_t kBetweenLooks = 1u << 16;

/// Host time as nanoseconds since the epoch: spans are those of every other command, from the wall clock at
/// the start.
class EpochClock {
 public:
  EpochClock(const clock::HostClock& clock, HostTsc start)
      : near_(clock), start_(clock.to_realtime(start).value) {}

  std::uint64_t at(HostTsc time) {
    std::int64_t sum = 0;
    const std::int64_t since = near_.to_ns(time).value;
    if (__builtin_add_overflow(start_, since, &sum)) sum = std::numeric_limits<std::int64_t>::max();
    return static_cast<std::uint64_t>(std::max<std::int64_t>(sum, 0));
  }

 private:
  clock::NearClock near_;
  std::int64_t start_;
};

CtfTrace trace_of(const run::RunReader& run, const run::MachineRecord& machine) {
  const std::string of_run =
      fmt::format("{} {} ", run.manifest().created, run.manifest().start_tsc.value) + machine.name;
  return {machine.name, machine.kind, machine.kernel_release, ctf_uuid(of_run + " trace"),
          ctf_uuid(of_run + " clock")};
}

/// By their index in the run; null for those without events.
using Machines = std::vector<std::unique_ptr<CtfMachine>>;

Machines machines_of(const Job& job, const merge::RunEvents& events) {
  Machines machines(job.run.machines().size());
  for (std::size_t i = 0; i < machines.size(); ++i) {
    if (events.formats(i) == nullptr) continue;
    const run::MachineRecord& machine = job.run.machines()[i].info;
    const Result<std::string> cmdlines = job.run.read_text(machine.name, format::kCmdlinesName);
    machines[i] =
        std::make_unique<CtfMachine>(trace_of(job.run, machine), job.place + "/" + machine.name,
                                     *events.formats(i), cmdlines ? std::string_view(*cmdlines) : "");
  }
  return machines;
}

Status look(const Job& job, const Machines& machines, const merge::TimeRange& span, HostTsc time) {
  job.progress.at("ctf", share_of(span, time));
  for (const auto& machine : machines) {
    if (machine != nullptr) IVT_RETURN_IF_ERROR(machine->status());
  }
  return job.progress.check();
}

Status write_events(const Job& job, merge::RunEvents& events, const Machines& machines) {
  EpochClock clock(job.clock, job.run.manifest().start_tsc);
  const merge::TimeRange span = span_of(job);
  std::uint64_t in_doubt = 0;
  merge::MergedEvent event;
  for (std::uint64_t count = 1; events.next(event); ++count) {
    CtfMachine& machine = *machines[event.stream->machine];
    const std::uint64_t time = clock.at(event.time);
    if (event.loss != nullptr) {
      job.summary.incomplete = true;
      IVT_RETURN_IF_ERROR(machine.loss(time, clock.at(event.loss->from), *event.loss));
    } else {
      ++job.summary.events;
      in_doubt += event.source->doubt() != 0 ? 1 : 0;
      IVT_RETURN_IF_ERROR(machine.event(time, event.stream->cpu.value, event.id, event.record));
    }
    if (count % kBetweenLooks == 0) IVT_RETURN_IF_ERROR(look(job, machines, span, event.time));
  }
  if (in_doubt > 0) {
    job.summary.notices.push_back(
        fmt::format("{} events are from moments in which a guest's clock changed: ivtrace report tells by "
                    "how much they may be off",
                    grouped(in_doubt)));
  }
  return {};
}

}  // namespace

Status write_ctf(const Job& job) {
  IVT_ASSIGN_OR_RETURN(merge::RunEvents events, merge::RunEvents::open(job.run, job.filter));
  std::vector<std::string>& notices = job.summary.notices;
  notices.insert(notices.end(), events.notices().begin(), events.notices().end());
  if (events.streams().empty() && !events.unaligned().empty())
    return Error(ErrorCode::kInvalid, "nothing that was asked for has a trustworthy clock");
  const Machines machines = machines_of(job, events);
  IVT_RETURN_IF_ERROR(write_events(job, events, machines));
  for (const auto& machine : machines) {
    if (machine == nullptr) continue;
    IVT_RETURN_IF_ERROR(machine->close());
    if (machine->unreadable() == 0) continue;
    notices.push_back(
        fmt::format("{}: {} events do not fit their formats, or have none: they are kept as bytes",
                    machine->name(), grouped(machine->unreadable())));
  }
  const merge::PlaceNotices places = merge::place_notices(events, job.clock);
  notices.insert(notices.end(), places.lines.begin(), places.lines.end());
  job.summary.incomplete = job.summary.incomplete || places.missing;
  return {};
}

}  // namespace ivtrace::exchange
