#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Validators.hpp>
#include <csignal>
#include <memory>

#include "cli/cache_option.h"
#include "cli/commands.h"
#include "cli/exchange_progress.h"
#include "cli/interrupt.h"
#include "cli/run_choice.h"
#include "cli/run_info_load.h"
#include "cli/text_table.h"
#include "cli/time_range.h"
#include "exchange/exporter.h"

namespace ivtrace::cli {
namespace {

struct ExportOptions {
  std::string run;
  std::string format;
  TimeRangeOptions range;
  exchange::Request request;
};

Result<ExitCode> write(ExportOptions options, Streams& streams) {
  IVT_ASSIGN_OR_RETURN(const run::RunReader run, run::RunReader::open(options.run));
  IVT_ASSIGN_OR_RETURN(const clock::HostClock clock, host_clock_of(run));
  IVT_ASSIGN_OR_RETURN(options.request.filter.range, place_time_range(options.range, clock));
  const InterruptFlag interrupt({SIGINT, SIGTERM, SIGHUP});
  ExchangeProgress progress(streams.err, interrupt.flag());
  IVT_ASSIGN_OR_RETURN(const exchange::Summary summary,
                       exchange::write_export(*exchange::find_exporter(options.format), run, clock,
                                              options.request, progress));
  progress.clear();
  for (const std::string& notice : summary.notices) print_notice(streams, notice);
  if (!summary.incomplete) return ExitCode::kOk;
  print_notice(streams, "events are missing in what was written, see ivtrace info " + options.run);
  return ExitCode::kLoss;
}

ExitCode run_export(const ExportOptions& options, Streams& streams) {
  if (const Status range = check_time_range(options.range); !range) {
    print_error(streams, range.error());
    return ExitCode::kUsage;
  }
  return exit_code_of(write(options, streams), streams);
}

/// What the option is, and a line for each format.
std::string list_formats() {
  std::string list = "What to write:";
  for (const exchange::Exporter& exporter : exchange::exporters())
    list += fmt::format("\n{}: {}", exporter.name, exporter.meaning);
  return list;
}

std::vector<std::string> format_names() {
  std::vector<std::string> names;
  for (const exchange::Exporter& exporter : exchange::exporters()) names.emplace_back(exporter.name);
  return names;
}

}  // namespace

void add_export_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command = app.add_subcommand("export", "Writes a run in the formats of other tools");
  const auto options = std::make_shared<ExportOptions>();
  exchange::Request& request = options->request;
  command->add_option("run", options->run, "The run directory")->required()->type_name("RUN");
  command->add_option("--format", options->format, list_formats())
      ->required()
      ->type_name("FORMAT")
      ->check(CLI::IsMember(format_names()).description(""));
  command->add_option("-o,--output", request.out, "The file or folder to write")
      ->required()
      ->type_name("OUT");
  command->add_flag("--force", request.force, "Replace the file, or a folder that an export wrote");
  command->add_option("--machine", request.filter.machines, "Only this machine; may be repeated")
      ->type_name("NAME")
      ->allow_extra_args(false);
  add_time_range(*command, options->range);
  add_cache_option(*command, request.cache);
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) { return run_export(*options, streams); };
  });
}

}  // namespace ivtrace::cli
