#include "model/exits.h"

#include <CLI/App.hpp>
#include <algorithm>
#include <memory>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/exits_view.h"
#include "cli/run_choice.h"
#include "cli/run_info_load.h"
#include "cli/walk_end.h"
#include "decode/comm_table.h"
#include "format/run_layout.h"

namespace ivtrace::cli {
namespace {

constexpr std::size_t kTasksShown = 5;

struct ExitsOptions {
  RunChoice choice;
  bool json = false;
};

std::vector<ExitTaskView> tasks_of(const model::ExitReason& reason, decode::CommTable& comms) {
  std::vector<ExitTaskView> tasks;
  for (const auto& [pid, count] : reason.tasks) {
    std::string comm(comms.comm(pid));
    if (comm == "<...>") comm.clear();
    tasks.push_back({pid, std::move(comm), count});
  }
  std::stable_sort(tasks.begin(), tasks.end(),
                   [](const auto& a, const auto& b) { return a.count > b.count; });
  if (tasks.size() > kTasksShown) tasks.resize(kTasksShown);
  return tasks;
}

ExitReasonView view_of(const model::ExitReason& reason, const clock::HostClock& clock,
                       std::uint64_t all_ticks, decode::CommTable& comms) {
  ExitReasonView view;
  const std::uint64_t finished = reason.times.count();
  view.reason = reason.name;
  view.count = finished + reason.unfinished;
  view.unfinished = reason.unfinished;
  view.total_ns = clock.ticks_to_ns(reason.total).value;
  view.mean_ns = finished == 0 ? 0 : clock.ticks_to_ns(reason.total / finished).value;
  view.p99_ns = clock.ticks_to_ns(reason.times.quantile(0.99)).value;
  view.max_ns = clock.ticks_to_ns(reason.times.max()).value;
  view.longest_at_ns = finished == 0 ? 0 : clock.to_ns(reason.longest_at).value;
  view.share = all_ticks == 0 ? 0 : static_cast<double>(reason.total) / static_cast<double>(all_ticks);
  view.tasks = tasks_of(reason, comms);
  return view;
}

VcpuExitsView view_of(const run::RunReader& run, const model::VcpuExits& exits,
                      const clock::HostClock& clock) {
  const std::string& machine = run.machines()[exits.vcpu.machine].info.name;
  decode::CommTable comms;
  if (const auto text = run.read_text(machine, format::kCmdlinesName)) comms.load(*text);
  VcpuExitsView view;
  view.machine = machine;
  view.vcpu = exits.vcpu.index;
  view.thread = exits.vcpu.thread.value;
  view.guest_ns = clock.ticks_to_ns(exits.in_guest).value;
  view.host_ns = clock.ticks_to_ns(exits.on_host).value;
  for (const auto& [number, reason] : exits.reasons) {
    view.reasons.push_back(view_of(reason, clock, exits.in_guest + exits.on_host, comms));
  }
  std::stable_sort(view.reasons.begin(), view.reasons.end(),
                   [](const auto& a, const auto& b) { return a.total_ns > b.total_ns; });
  return view;
}

Result<ExitCode> exits(const ExitsOptions& options, Streams& streams) {
  IVT_ASSIGN_OR_RETURN(const run::RunReader run, open_run(options.choice));
  IVT_ASSIGN_OR_RETURN(const clock::HostClock clock, host_clock_of(run));
  IVT_ASSIGN_OR_RETURN(const model::Exits all, model::measure_exits(run));
  if (all.vcpus.empty()) {
    return Error(ErrorCode::kNotFound,
                 "the run has no exits of a vCPU: no guest ran under KVM, or they were not recorded",
                 "record a KVM host with --profile cpu, or --events kvm:kvm_entry,kvm:kvm_exit,…");
  }
  std::vector<VcpuExitsView> views;
  for (const model::VcpuExits& one : all.vcpus) {
    const std::string& machine = run.machines()[one.vcpu.machine].info.name;
    if (options.choice.includes(machine)) views.push_back(view_of(run, one, clock));
  }
  streams.out << (options.json ? exits_json(views) : exits_text(views));
  return end_of_walk(all.walk, streams);
}

}  // namespace

void add_exits_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command =
      app.add_subcommand("exits", "Tells why and for how long the vCPUs left their guests");
  const auto options = std::make_shared<ExitsOptions>();
  add_run_choice(*command, options->choice);
  command->add_flag("--json", options->json, "One JSON object");
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) { return exit_code_of(exits(*options, streams), streams); };
  });
}

}  // namespace ivtrace::cli
