#include "exchange/trace_cmd_export.h"

#include <fmt/format.h>

#include <set>
#include <tuple>

#include "exchange/trace_cmd_limits.h"
#include "exchange/trace_cmd_machine.h"
#include "format/run_layout.h"

namespace ivtrace::exchange {
namespace {

/// Sorts the streams by machine and leaves out what the format has no place for.
class Machines {
 public:
  Machines(const Job& job, const merge::RunEvents& events) : job_(job), events_(events) {
    for (std::size_t i = 0; i < job.run.machines().size(); ++i) {
      if (events.formats(i) != nullptr) machines_.push_back({i, {}});
    }
    for (const auto& stream : events.streams()) {
      if (!is_of_file(stream->info())) {
        // Only losses that the journal tells, without pages.
        job.summary.incomplete = job.summary.incomplete || stream->loss() != nullptr;
      } else if (has_place(stream->info())) {
        find(stream->info().machine).streams.push_back(stream.get());
      }
    }
    std::erase_if(machines_, [&](const TraceCmdMachine& machine) {
      return machine.streams.empty() && !is_host(machine.index);
    });
  }

  const std::vector<TraceCmdMachine>& list() const { return machines_; }
  bool is_host(std::size_t machine) const {
    return job_.run.machines()[machine].info.name == format::kHostMachine;
  }

 private:
  TraceCmdMachine& find(std::size_t index) {
    return *std::ranges::find(machines_, index, &TraceCmdMachine::index);
  }
  /// The first stream of a file's name is the file's, if the file has a clock at all.
  bool is_of_file(const merge::StreamInfo& info) {
    const clock::GuestClock* const guest = events_.guest_clock(info.machine);
    if (guest != nullptr && !guest->aligned(info.cpu)) return false;
    for (const run::PagesFile& file : job_.run.machines()[info.machine].files) {
      if (file.buffer == info.buffer && file.cpu == info.cpu.value)
        return seen_.insert({info.machine, std::string(info.buffer), info.cpu.value}).second;
    }
    return false;
  }
  bool has_place(const merge::StreamInfo& info) {
    const bool own_buffer = !info.buffer.empty() && !is_host(info.machine);
    if (!own_buffer && info.cpu.value < kMostCpus) return true;
    // libtracecmd does not shift the times of a guest's other buffers.
    const std::string what =
        own_buffer ? "buffer " + std::string(info.buffer) : "CPU " + std::to_string(info.cpu.value);
    job_.summary.notices.push_back(
        fmt::format("{}: {} is left out: trace-cmd has no place for it", info.machine_name, what));
    job_.summary.incomplete = true;
    return false;
  }

  const Job& job_;
  const merge::RunEvents& events_;
  std::vector<TraceCmdMachine> machines_;
  std::set<std::tuple<std::size_t, std::string, std::uint32_t>> seen_;
};

}  // namespace

Status write_trace_cmd(const Job& job) {
  IVT_ASSIGN_OR_RETURN(merge::RunEvents events, merge::RunEvents::open(job.run, job.filter));
  job.summary.notices = events.notices();
  const Machines machines(job, events);
  if (machines.list().empty()) {
    return Error(ErrorCode::kInvalid, "nothing that was asked for has events and a trustworthy clock",
                 "ivtrace info tells what is recorded");
  }
  std::vector<std::size_t> guests;
  for (const TraceCmdMachine& machine : machines.list()) {
    if (!machines.is_host(machine.index)) guests.push_back(machine.index);
  }
  const merge::TimeRange span = span_of(job);
  const TraceCmdJob shared{job, events, span, tsc_to_ns(job.clock, span.from, span.until)};
  ProgressPart part{job.progress, 0, 1.0 / static_cast<double>(machines.list().size())};
  for (const TraceCmdMachine& machine : machines.list()) {
    IVT_RETURN_IF_ERROR(write_machine(
        shared, machine, machines.is_host(machine.index) ? guests : std::vector<std::size_t>(), part));
    part.begin += part.length;
  }
  return {};
}

}  // namespace ivtrace::exchange
