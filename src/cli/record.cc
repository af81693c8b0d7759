#include <signal.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string_view>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/connect_option.h"
#include "cli/progress.h"
#include "cli/record_view.h"
#include "record/recorder.h"
#include "tracefs/events.h"

namespace ivtrace::cli {
namespace {

/// The texts of the options, before they are understood.
struct RecordOptions {
  std::string output;
  std::vector<std::string> guests;
  std::vector<std::string> events;
  std::string profile;
  std::vector<std::string> filters;
  std::vector<std::string> rings;
  std::vector<std::string> probes;
  std::vector<std::string> stap_scripts;
  std::vector<std::string> stap_options;
  std::vector<std::string> bpftrace_scripts;
  std::string max_size;
  std::string buffer_size;
  std::string duration;
  std::string feed;
  std::string state_directory;
  std::string connect;
  bool no_guests = false;
  bool no_kvm_clock = false;
  bool quiet = false;
};

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set by a signal handler");

void on_stop_signal(int) {
  if (!stop_requested.exchange(true, std::memory_order_relaxed))
    return;  // Relaxed: a flag that guards nothing else.
  constexpr std::string_view kHint =
      "\nivtrace: still saving what the buffers hold (kill -9 ends it at once, ivtrace cleanup then salvages "
      "the rest)\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kHint.data(), kHint.size());
}

/// Lets SIGINT, SIGTERM and SIGHUP end the recording in good order for as long as it lives.
class StopSignals {
 public:
  StopSignals() {
    stop_requested = false;
    struct sigaction action = {};
    action.sa_handler = on_stop_signal;
    action.sa_flags = SA_RESTART;
    for (std::size_t i = 0; i < std::size(kSignals); ++i) {
      struct sigaction current = {};
      ::sigaction(kSignals[i], nullptr, &current);
      before_[i] = current;
      // nohup's choice stands. Shells ignore SIGINT for what they run in the background, where a kill -INT
      // means us nevertheless.
      const bool keep = kSignals[i] == SIGHUP && current.sa_handler == SIG_IGN;
      if (!keep) ::sigaction(kSignals[i], &action, nullptr);
    }
  }
  ~StopSignals() {
    for (std::size_t i = 0; i < std::size(kSignals); ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction before_[std::size(kSignals)];
};

/// Splits "NAME=REST".
Result<std::pair<std::string, std::string>> parse_pair(const std::string& option, const std::string& text,
                                                       const std::string& example) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    return Error(ErrorCode::kInvalid, option + " \"" + text + "\" is not understood",
                 "for example " + example);
  }
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

/// Splits "MACHINE:REST".
Result<std::pair<std::string, std::string>> parse_placed(const std::string& option, const std::string& text,
                                                         const std::string& example) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size()) {
    return Error(ErrorCode::kInvalid,
                 option + " \"" + text + "\" is not understood: it says where, then what",
                 "for example " + example + "; host is this machine");
  }
  return std::pair(text.substr(0, colon), text.substr(colon + 1));
}

Status parse_tracers(const RecordOptions& options, record::RecordConfig& config) {
  for (const std::string& text : options.probes) {
    IVT_ASSIGN_OR_RETURN(auto placed, parse_placed("--probe", text, "--probe vm1:kprobe:vfs_read"));
    config.probes.push_back({std::move(placed.first), std::move(placed.second)});
  }
  for (const std::string& text : options.stap_scripts) {
    IVT_ASSIGN_OR_RETURN(auto placed, parse_placed("--stap", text, "--stap vm1:disk.stp"));
    config.tracers.push_back(
        {std::move(placed.first), "stap", std::move(placed.second), options.stap_options});
  }
  for (const std::string& text : options.bpftrace_scripts) {
    IVT_ASSIGN_OR_RETURN(auto placed, parse_placed("--bpftrace", text, "--bpftrace host:latency.bt"));
    config.tracers.push_back({std::move(placed.first), "bpftrace", std::move(placed.second), {}});
  }
  const auto is_script = [](const std::string& text) { return !text.ends_with(".ko"); };
  if (!options.stap_options.empty() &&
      std::none_of(options.stap_scripts.begin(), options.stap_scripts.end(), is_script))
    return Error(ErrorCode::kInvalid, "--stap-opt has no effect without --stap and a script");
  return {};
}

std::string profile_names(const std::string& between) {
  std::string list;
  for (const tracefs::Profile& profile : tracefs::profiles()) {
    list += (list.empty() ? "" : between) + profile.name;
  }
  return list;
}

Result<std::string> parse_profile(const std::string& wanted) {
  if (tracefs::find_profile(wanted) != nullptr) return wanted;
  std::vector<std::string> names;
  for (const tracefs::Profile& profile : tracefs::profiles()) names.push_back(profile.name);
  const std::string list = profile_names(", ");
  const std::vector<std::string> nearest = nearest_names(wanted, names, 1);
  return Error(ErrorCode::kInvalid, "there is no profile \"" + wanted + "\"",
               nearest.empty() ? "profiles: " + list : "did you mean " + nearest[0] + "? profiles: " + list);
}

Status parse_sizes(const RecordOptions& options, record::RecordConfig& config) {
  if (!options.max_size.empty()) {
    IVT_ASSIGN_OR_RETURN(config.max_bytes, parse_size(options.max_size));
    if (config.max_bytes < (1u << 20)) {
      return Error(ErrorCode::kInvalid, "--max-size " + options.max_size + " is too small",
                   "1M is the least");
    }
  }
  if (!options.buffer_size.empty()) {
    IVT_ASSIGN_OR_RETURN(const std::uint64_t bytes, parse_size(options.buffer_size));
    if (bytes < (16u << 10) || bytes > (4ull << 30)) {
      return Error(ErrorCode::kInvalid, "--buffer-size " + options.buffer_size + " makes no sense",
                   "16K to 4G per CPU");
    }
    config.buffer_kb = bytes >> 10;
  }
  return {};
}

Result<record::RecordConfig> parse_options(const RecordOptions& options,
                                           const std::vector<std::string>& command) {
  record::RecordConfig config;
  config.out = options.output;
  config.guests = options.guests;
  config.command = command;
  config.feed = options.feed;
  config.find_guests = !options.no_guests;
  config.use_kvm = !options.no_kvm_clock;
  if (!options.state_directory.empty()) config.state_directory = options.state_directory;
  for (const std::string& list : options.events) {
    for (const std::string_view pattern : split(list, ',')) {
      if (!trim(pattern).empty()) config.events.emplace_back(trim(pattern));
    }
  }
  if (!options.profile.empty()) {
    IVT_ASSIGN_OR_RETURN(config.profile, parse_profile(options.profile));
  }
  if (!options.duration.empty()) {
    IVT_ASSIGN_OR_RETURN(config.duration, parse_duration(options.duration));
  }
  IVT_RETURN_IF_ERROR(parse_sizes(options, config));
  IVT_RETURN_IF_ERROR(parse_tracers(options, config));
  for (const std::string& text : options.filters) {
    IVT_ASSIGN_OR_RETURN(auto filter,
                         parse_pair("--filter", text, "--filter 'sched:sched_switch=prev_prio<100'"));
    if (!config.filters.insert(filter).second) {
      return Error(ErrorCode::kInvalid, "two filters for " + filter.first, "join them with && or ||");
    }
  }
  for (const std::string& text : options.rings) {
    IVT_ASSIGN_OR_RETURN(auto ring, parse_pair("--ring", text, "--ring vm1=/dev/shm/vm1"));
    config.extra_rings.push_back({std::move(ring.first), std::move(ring.second)});
  }
  return config;
}

ProgressView view_of(const record::RecordProgress& progress) {
  ProgressView view;
  view.elapsed = progress.elapsed;
  view.bytes = progress.bytes;
  for (const record::MachineProgress& machine : progress.machines) {
    view.machines.push_back({machine.name, machine.events_per_second, machine.bytes_per_second,
                             machine.ring_fill, machine.lost, machine.state});
  }
  return view;
}

/// Enough for a run of some gigabytes; `ivtrace info` takes the time that it needs.
constexpr std::chrono::seconds kMeasureLimit{5};

/// Another Ctrl-C ends it. What is not in the journal then is no loss.
Containments measure_containments(const std::string& run, Streams& streams) {
  const auto until = std::chrono::steady_clock::now() + kMeasureLimit;
  stop_requested = false;
  auto measured =
      journal_containment(run, [&] { return stop_requested || std::chrono::steady_clock::now() > until; });
  if (measured) return *std::move(measured);
  print_notice(streams, measured.error().message + "; ivtrace info " + run + " goes on with it");
  return {};
}

ExitCode run_record(const record::RecordConfig& config, bool quiet, Streams& streams) {
  const bool show = !quiet && streams.err.is_terminal();
  ProgressDisplay display(streams.err);
  std::mutex mutex;  // notices come from any thread
  record::RecordCallbacks callbacks;
  if (show) {
    callbacks.progress = [&](const record::RecordProgress& progress) {
      const std::lock_guard lock(mutex);
      display.show(view_of(progress));
    };
  }
  callbacks.notice = [&](const std::string& text) {
    const std::lock_guard lock(mutex);
    if (show) {
      display.announce("ivtrace: " + text);
    } else {
      print_notice(streams, text);
    }
  };
  const StopSignals signals;
  const Result<record::RecordSummary> summary = record::record(config, callbacks, stop_requested);
  display.clear();
  if (!summary) {
    print_error(streams, summary.error());
    return summary.error().code == ErrorCode::kInvalid ? ExitCode::kUsage : ExitCode::kFailed;
  }
  const Containments containments = measure_containments(config.out, streams);
  if (!quiet) streams.out << record_summary_text(*summary, containments);
  return summary->lost_anything ? ExitCode::kLoss : ExitCode::kOk;
}

void declare_options(CLI::App& command, RecordOptions& options) {
  command.add_option("-o,--output", options.output, "Where to write the run; must not exist")
      ->required()
      ->type_name("DIR");
  command.add_option("-g,--guest", options.guests, "Only this guest (name, UUID or pid); may be repeated")
      ->type_name("NAME")
      ->allow_extra_args(false);
  CLI::Option* const events =
      command
          .add_option("--events", options.events,
                      "Events: system:name, system or name, with * and ?; commas between")
          ->type_name("LIST")
          ->allow_extra_args(false);
  command.add_option("--profile", options.profile, "A prepared choice of events; io is the default")
      ->type_name(profile_names("|"))
      ->excludes(events);
  command
      .add_option("--filter", options.filters, "Let the kernel drop events that fail EXPR; may be repeated")
      ->type_name("EVENT=EXPR")
      ->allow_extra_args(false);
  command
      .add_option("--probe", options.probes,
                  "A dynamic probe: kprobe, kretprobe, fprobe, uprobe, uretprobe or usdt; may be repeated")
      ->type_name("MACHINE:PROBE")
      ->allow_extra_args(false);
  command
      .add_option("--stap", options.stap_scripts,
                  "A SystemTap script, or its module, to run there; may be repeated")
      ->type_name("MACHINE:SCRIPT")
      ->allow_extra_args(false);
  command.add_option("--stap-opt", options.stap_options, "An option for stap; may be repeated")
      ->type_name("OPTION")
      ->allow_extra_args(false);
  command
      .add_option("--bpftrace", options.bpftrace_scripts, "A bpftrace script to run there; may be repeated")
      ->type_name("MACHINE:SCRIPT")
      ->allow_extra_args(false);
  command.add_option("--max-size", options.max_size, "Bytes in the run at most (default 4G)")
      ->type_name("SIZE");
  command.add_option("--duration", options.duration, "How long: 10s, 2m (default: until Ctrl-C)")
      ->type_name("TIME");
  command.add_option("--buffer-size", options.buffer_size, "Kernel buffer per CPU (default 4M)")
      ->type_name("SIZE");
  command
      .add_option("--feed", options.feed,
                  "How guests' agents drain their kernel (default: the best there is)")
      ->check(CLI::IsMember({"map", "read"}).description(""))  // the value's name tells them
      ->type_name("map|read");
  add_connect_option(command, options.connect);
  command.add_flag("--no-guests", options.no_guests, "Record the host alone");
  command.add_flag("--no-kvm-clock", options.no_kvm_clock, "Align guests by the handshake alone");
  command.add_flag("--quiet", options.quiet, "No progress and no summary");
  command.add_option("--ring", options.rings, "Record the machine behind a ring file")
      ->type_name("NAME=FILE")
      ->allow_extra_args(false)
      ->group("");
  command.add_option("--state-directory", options.state_directory, "Where recorders register")->group("");
  command.footer(
      "Everything behind -- is a program that is recorded while it runs: ivtrace record -o run.ivt -- sleep "
      "5");
}

}  // namespace

void add_record_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command =
      app.add_subcommand("record", "Records this host and its guests into a run directory");
  const auto options = std::make_shared<RecordOptions>();
  declare_options(*command, *options);
  command->callback([options, &invocation] {
    invocation.run = [options, &invocation](Streams& streams) {
      Result<record::RecordConfig> config = parse_options(*options, invocation.trailing);
      if (!config) {
        print_error(streams, config.error());
        return ExitCode::kUsage;
      }
      config->command_line = invocation.command_line;
      if (config->find_guests) {
        auto inventory = inventory_options(options->connect);
        if (!inventory) {
          print_error(streams, inventory.error());
          return ExitCode::kFailed;
        }
        config->inventory = *std::move(inventory);
      }
      return run_record(*config, options->quiet, streams);
    };
  });
}

}  // namespace ivtrace::cli
