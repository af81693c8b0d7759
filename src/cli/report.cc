#include <CLI/App.hpp>
#include <algorithm>
#include <memory>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/report_writer.h"
#include "cli/run_info_load.h"
#include "cli/text_table.h"
#include "cli/time_range.h"
#include "merge/place_notices.h"
#include "merge/run_events.h"
#include "merge/symbols.h"

namespace ivtrace::cli {
namespace {

struct ReportOptions {
  std::string run;
  std::vector<std::string> machines;
  std::vector<std::uint32_t> cpus;
  std::vector<std::string> events;
  std::vector<std::int32_t> pids;
  TimeRangeOptions range;
  bool merge_unaligned = false;
  bool json = false;
};

Result<merge::Filter> make_filter(const ReportOptions& options, const clock::HostClock& clock) {
  merge::Filter filter;
  filter.machines = options.machines;
  filter.cpus = options.cpus;
  filter.include_unaligned = options.merge_unaligned;
  IVT_ASSIGN_OR_RETURN(filter.range, place_time_range(options.range, clock));
  return filter;
}

/// Machines by their index in the run; null for those that are not shown.
std::vector<std::unique_ptr<ReportMachine>> load_machines(const run::RunReader& run,
                                                          const merge::RunEvents& events,
                                                          const std::vector<std::string>& globs) {
  std::vector<std::unique_ptr<ReportMachine>> machines;
  for (std::size_t i = 0; i < run.machines().size(); ++i) {
    machines.emplace_back();
    if (events.formats(i) == nullptr) continue;
    const std::string& name = run.machines()[i].info.name;
    machines[i] =
        std::make_unique<ReportMachine>(name, events.formats(i), merge::load_symbols(run, name), globs);
    if (const auto text = run.read_text(name, format::kCmdlinesName)) machines[i]->comms().load(*text);
  }
  return machines;
}

/// What is left out or damaged, said once; true when something is damaged.
bool say_what_is_amiss(const run::RunReader& run, const merge::RunEvents& events, bool merge_unaligned,
                       Streams& streams) {
  for (const std::string& notice : events.notices()) print_notice(streams, notice);
  if (!merge_unaligned && !events.unaligned().empty()) {
    print_notice(streams, "--merge-unaligned shows what has no trustworthy clock, placed by guess");
  }
  if (run.damage_total() == 0) return false;
  print_notice(streams, "the run is damaged in " + std::to_string(run.damage_total()) +
                            " places (see ivtrace info " + run.path() + ")");
  return true;
}

/// A pattern that means no event of the machines shown, which is a slip more often than a question.
void say_what_is_not_there(const run::RunReader& run, const merge::RunEvents& events,
                           const std::vector<std::string>& globs, Streams& streams) {
  std::vector<const decode::EventFormat*> known;
  for (std::size_t i = 0; i < run.machines().size(); ++i) {
    if (events.formats(i) == nullptr) continue;
    for (const decode::EventFormat* format : events.formats(i)->all()) known.push_back(format);
  }
  std::vector<std::string> names;
  for (const decode::EventFormat* format : known) names.push_back(format->full_name());
  for (const std::string& glob : globs) {
    if (std::any_of(known.begin(), known.end(),
                    [&](const auto* format) { return means_event(glob, *format); }))
      continue;
    std::string line = "--event " + glob + ": no such event was recorded";
    const std::vector<std::string> nearest = nearest_names(glob, names);
    for (const std::string& name : nearest) line += (&name == nearest.data() ? "; nearest: " : ", ") + name;
    print_notice(streams, line);
  }
}

/// Prints every event that is wanted; true when there are holes.
bool print_events(merge::RunEvents& events, const ReportOptions& options,
                  std::vector<std::unique_ptr<ReportMachine>>& machines, const clock::HostClock& clock,
                  Output& out) {
  ReportWriter writer(options.json ? ReportWriter::Format::kJson : ReportWriter::Format::kText, machines,
                      clock);
  bool holes = false;
  merge::MergedEvent event;
  while (events.next(event) && !out.closed()) {
    if (event.loss != nullptr) {
      holes = true;
      writer.loss(out.text(), event);
      out.spill();
      continue;
    }
    ReportMachine& machine = *machines[event.stream->machine];
    const EventKind& kind = machine.kind(event.id);
    if (!kind.comms.empty()) machine.learn(kind, event.record, false);
    const bool wanted = kind.wanted && (options.pids.empty() ||
                                        std::find(options.pids.begin(), options.pids.end(),
                                                  decode::event_pid(event.record)) != options.pids.end());
    if (wanted) {
      writer.event(out.text(), event, kind);
      out.spill();
    }
    if (!kind.comms.empty()) machine.learn(kind, event.record, true);
  }
  return holes;
}

Result<ExitCode> report(const ReportOptions& options, Streams& streams) {
  IVT_ASSIGN_OR_RETURN(const run::RunReader run, run::RunReader::open(options.run));
  IVT_ASSIGN_OR_RETURN(const clock::HostClock clock, host_clock_of(run));
  IVT_ASSIGN_OR_RETURN(const merge::Filter filter, make_filter(options, clock));
  IVT_ASSIGN_OR_RETURN(merge::RunEvents events, merge::RunEvents::open(run, filter));
  const bool damaged = say_what_is_amiss(run, events, options.merge_unaligned, streams);
  if (events.streams().empty() && !events.unaligned().empty()) {
    return Error(ErrorCode::kInvalid, "nothing that was asked for has a trustworthy clock",
                 "--merge-unaligned shows it nevertheless, with times that mean nothing to other machines");
  }
  std::vector<std::unique_ptr<ReportMachine>> machines = load_machines(run, events, options.events);
  say_what_is_not_there(run, events, options.events, streams);
  const bool holes = print_events(events, options, machines, clock, streams.out);
  const merge::PlaceNotices places = merge::place_notices(events, clock);
  for (const std::string& line : places.lines) print_notice(streams, line);
  return holes || damaged || places.missing ? ExitCode::kLoss : ExitCode::kOk;
}

ExitCode run_report(const ReportOptions& options, Streams& streams) {
  if (const Status range = check_time_range(options.range); !range) {
    print_error(streams, range.error());
    return ExitCode::kUsage;
  }
  const Result<ExitCode> code = report(options, streams);
  if (code) return *code;
  print_error(streams, code.error());
  return ExitCode::kFailed;
}

}  // namespace

void add_report_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command = app.add_subcommand("report", "Prints a run's events in one order on one clock");
  const auto options = std::make_shared<ReportOptions>();
  command->add_option("run", options->run, "The run directory")->required()->type_name("RUN");
  command->add_option("--machine", options->machines, "Only this machine; may be repeated")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command->add_option("--cpu", options->cpus, "Only this CPU; may be repeated")
      ->type_name("N")
      ->allow_extra_args(false);
  command
      ->add_option(
          "--event", options->events,
          "Only events of these names or system:name, with * and ?, separated by commas; may be repeated")
      ->type_name("LIST")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--pid", options->pids, "Only events of this thread; may be repeated")
      ->type_name("N")
      ->allow_extra_args(false);
  add_time_range(*command, options->range);
  command->add_flag("--merge-unaligned", options->merge_unaligned,
                    "Also show machines without a trustworthy clock, placed by guess and marked with ?");
  command->add_flag("--json", options->json, "One JSON object per line");
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) { return run_report(*options, streams); };
  });
}

}  // namespace ivtrace::cli
