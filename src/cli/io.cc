#include <fmt/format.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <memory>

#include "cli/commands.h"
#include "cli/io_view.h"
#include "cli/run_choice.h"
#include "cli/run_info_load.h"
#include "cli/time_range.h"
#include "cli/walk_end.h"
#include "model/io_times.h"

namespace ivtrace::cli {
namespace {

struct IoOptions {
  RunChoice choice;
  std::size_t slowest = 5;
  TimeRangeOptions range;
  bool json = false;
};

std::string device_text(std::uint32_t device) { return fmt::format("{}:{}", device >> 20, device & 0xfffff); }

double share_of(double part, double all) { return all > 0 ? part / all : 0; }

/// From the model to what is shown.
class Viewer {
 public:
  Viewer(const run::RunReader& run, const clock::HostClock& clock) : run_(run), clock_(clock) {}

  IoGroupView group(const model::IoGroup& group) const {
    IoGroupView view;
    const run::Machine& machine = run_.machines()[group.machine];
    view.machine = machine.info.name;
    view.device = device_text(group.device);
    if (group.disk) {
      const run::DiskRecord& disk = machine.disks[*group.disk];
      const auto known = [](const std::string& text) { return text.empty() ? std::string("?") : text; };
      view.disk = disk.device;
      view.image =
          fmt::format("{} ({}, {}, {})", disk.path, known(disk.format), known(disk.aio), known(disk.cache));
    }
    view.direction = model::to_string(group.direction);
    view.count = group.times.count();
    view.bytes = group.bytes;
    view.mean_ns = ns(group.total / std::max<std::uint64_t>(view.count, 1));
    view.p50_ns = ns(group.times.quantile(0.5));
    view.p99_ns = ns(group.times.quantile(0.99));
    view.max_ns = ns(group.times.max());
    view.longest_at_ns = clock_.to_ns(group.longest_at).value;
    for (std::size_t i = 0; i < group.ties.size(); ++i) {
      if (group.ties[i] > 0)
        view.ties.push_back({model::to_string(static_cast<model::IoTie>(i)), group.ties[i]});
    }
    for (std::size_t i = 0; i < group.phases.size(); ++i) {
      if (group.phases[i].times.count() > 0)
        view.phases.push_back(phase(static_cast<model::IoPhaseKind>(i), group.phases[i], group.total));
    }
    const auto lost = static_cast<std::size_t>(model::IoPhaseKind::kUnattributed);
    view.unattributed_share =
        share_of(static_cast<double>(group.phases[lost].total), static_cast<double>(group.total));
    view.load = load(group.load);
    return view;
  }

  IoRequestView request(const model::IoRequest& request) const {
    IoRequestView view;
    view.machine = run_.machines()[request.machine].info.name;
    view.device = device_text(request.guest.range.device);
    view.direction = model::to_string(request.guest.direction);
    view.sector = request.guest.range.first;
    view.bytes = request.guest.range.count * model::kSectorBytes;
    view.tid = request.guest.task.tid;
    view.comm = request.guest.task.name();
    view.at_ns = clock_.to_ns(request.begin()).value;
    view.took_ns = ns(request.end().value - request.begin().value);
    view.tie = model::to_string(request.tie);
    for (const model::IoPhase& phase : request.phases()) {
      view.steps.push_back({model::to_string(phase.kind), ns(phase.from.value - request.begin().value),
                            ns(phase.until.value - phase.from.value)});
    }
    if (request.host_requests == 0) return view;
    view.host_device = device_text(request.host_device);
    view.host_requests = request.host_requests;
    view.host_thread = request.host_thread;
    view.load = load(request.load);
    return view;
  }

 private:
  std::int64_t ns(std::uint64_t ticks) const { return clock_.ticks_to_ns(ticks).value; }

  IoPhaseView phase(model::IoPhaseKind kind, const model::IoPhaseTimes& times, std::uint64_t all) const {
    IoPhaseView view;
    view.phase = model::to_string(kind);
    view.count = times.times.count();
    view.total_ns = ns(times.total);
    view.mean_ns = ns(times.total / view.count);
    view.p99_ns = ns(times.times.quantile(0.99));
    view.max_ns = ns(times.times.max());
    view.longest_at_ns = clock_.to_ns(times.longest_at).value;
    view.share = share_of(static_cast<double>(times.total), static_cast<double>(all));
    return view;
  }

  std::vector<IoLoadView> load(const model::DeviceWork& load) const {
    model::LoadIntegral all;
    for (const auto& [owner, part] : load.owners) {
      all += part;
    }
    std::vector<IoLoadView> views;
    for (const auto& [owner, part] : load.owners) {
      views.push_back({run_.machines()[static_cast<std::size_t>(owner.machine)].info.name, owner.task,
                       model::to_string(owner.direction), share_of(part.byte_ticks, all.byte_ticks),
                       share_of(part.request_ticks, all.request_ticks)});
    }
    std::stable_sort(views.begin(), views.end(),
                     [](const auto& a, const auto& b) { return a.bytes_share > b.bytes_share; });
    return views;
  }

  const run::RunReader& run_;
  const clock::HostClock& clock_;
};

Result<ExitCode> io(const IoOptions& options, Streams& streams) {
  IVT_ASSIGN_OR_RETURN(const run::RunReader run, open_run(options.choice));
  IVT_ASSIGN_OR_RETURN(const clock::HostClock clock, host_clock_of(run));
  IVT_ASSIGN_OR_RETURN(const merge::TimeRange range, place_time_range(options.range, clock));
  IVT_ASSIGN_OR_RETURN(const model::IoTimes times,
                       model::measure_io(run, {options.choice.guests, range, options.slowest}));
  const Viewer viewer(run, clock);
  IoView view;
  for (const model::IoGroup& group : times.groups) view.groups.push_back(viewer.group(group));
  for (const model::IoRequest& request : times.slowest) view.slowest.push_back(viewer.request(request));
  view.unfinished = times.unfinished;
  streams.out << (options.json ? io_json(view) : io_text(view));
  return end_of_walk(times.walk, streams);
}

ExitCode run_io(const IoOptions& options, Streams& streams) {
  if (const Status range = check_time_range(options.range); !range) {
    print_error(streams, range.error());
    return ExitCode::kUsage;
  }
  return exit_code_of(io(options, streams), streams);
}

}  // namespace

void add_io_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command =
      app.add_subcommand("io", "Tells where the guests' disk requests spent their time, layer by layer");
  const auto options = std::make_shared<IoOptions>();
  add_run_choice(*command, options->choice);
  command->add_option("--slowest", options->slowest, "Show so many of the slowest requests in full")
      ->type_name("N")
      ->check(CLI::Range(0, 10'000).description(""))
      ->capture_default_str();
  add_time_range(*command, options->range);
  command->add_flag("--json", options->json, "One JSON object");
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) { return run_io(*options, streams); };
  });
}

}  // namespace ivtrace::cli
