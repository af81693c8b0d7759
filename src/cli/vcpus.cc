#include <CLI/App.hpp>
#include <algorithm>
#include <memory>

#include "cli/commands.h"
#include "cli/run_choice.h"
#include "cli/run_info_load.h"
#include "cli/time_range.h"
#include "cli/vcpus_view.h"
#include "cli/walk_end.h"
#include "format/run_layout.h"
#include "model/vcpu_times.h"

namespace ivtrace::cli {
namespace {

struct VcpusOptions {
  RunChoice choice;
  TimeRangeOptions range;
  bool json = false;
};

StateTimeView view_of(const model::StateTime& time, std::uint64_t known, const clock::HostClock& clock) {
  StateTimeView view;
  view.total_ns = clock.ticks_to_ns(time.ticks).value;
  view.times = time.times;
  view.longest_ns = clock.ticks_to_ns(time.longest).value;
  view.longest_at_ns = time.times == 0 ? 0 : clock.to_ns(time.longest_at).value;
  view.share = known == 0 ? 0 : static_cast<double>(time.ticks) / static_cast<double>(known);
  return view;
}

VcpuTimesView view_of(const run::RunReader& run, const model::VcpuTimes& times,
                      const clock::HostClock& clock) {
  VcpuTimesView view;
  const std::uint64_t known = times.known();
  view.machine = run.machines()[times.lane.vcpus.front().machine].info.name;
  for (const model::Vcpu& vcpu : times.lane.vcpus) view.vcpus.push_back(vcpu.index);
  view.thread = times.lane.vcpus.front().thread.value;
  view.known_ns = clock.ticks_to_ns(known).value;
  view.unknown_ns = clock.ticks_to_ns(times.unknown).value;
  for (std::size_t i = 0; i < times.states.size(); ++i) {
    if (times.states[i].times == 0) continue;
    view.states.push_back(
        {model::to_string(static_cast<model::VcpuState>(i)), view_of(times.states[i], known, clock)});
  }
  for (const model::Preemptor& by : times.preempted_by) {
    const std::string machine = by.machine ? run.machines()[*by.machine].info.name : format::kHostMachine;
    view.preempted_by.push_back({by.tid, by.comm, machine, view_of(by.time, known, clock)});
  }
  return view;
}

Result<ExitCode> vcpus(const VcpusOptions& options, Streams& streams) {
  IVT_ASSIGN_OR_RETURN(const run::RunReader run, open_run(options.choice));
  IVT_ASSIGN_OR_RETURN(const clock::HostClock clock, host_clock_of(run));
  IVT_ASSIGN_OR_RETURN(const merge::TimeRange range, place_time_range(options.range, clock));
  IVT_ASSIGN_OR_RETURN(const model::AllVcpuTimes all, model::measure_vcpu_times(run, range));
  if (all.vcpus.empty()) {
    return Error(ErrorCode::kNotFound,
                 "the run does not tell what vCPUs did: no guest was known, or the host's scheduler was not "
                 "recorded",
                 "record with --profile cpu or all, or --events sched:sched_switch,sched:sched_waking,…");
  }
  std::vector<VcpuTimesView> views;
  for (const model::VcpuTimes& one : all.vcpus) {
    const std::string& machine = run.machines()[one.lane.vcpus.front().machine].info.name;
    if (options.choice.includes(machine)) views.push_back(view_of(run, one, clock));
  }
  streams.out << (options.json ? vcpus_json(views) : vcpus_text(views));
  return end_of_walk(all.walk, streams);
}

ExitCode run_vcpus(const VcpusOptions& options, Streams& streams) {
  if (const Status range = check_time_range(options.range); !range) {
    print_error(streams, range.error());
    return ExitCode::kUsage;
  }
  return exit_code_of(vcpus(options, streams), streams);
}

}  // namespace

void add_vcpus_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command =
      app.add_subcommand("vcpus", "Tells what the vCPUs did: ran, waited for a CPU and behind whom, slept");
  const auto options = std::make_shared<VcpusOptions>();
  add_run_choice(*command, options->choice);
  add_time_range(*command, options->range);
  command->add_flag("--json", options->json, "One JSON object");
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) { return run_vcpus(*options, streams); };
  });
}

}  // namespace ivtrace::cli
