#include <CLI/App.hpp>
#include <csignal>
#include <memory>

#include "cli/commands.h"
#include "cli/containment.h"
#include "cli/exchange_progress.h"
#include "cli/interrupt.h"
#include "cli/run_choice.h"
#include "cli/text_table.h"
#include "exchange/trace_cmd_import.h"
#include "query/model_rows.h"

namespace ivtrace::cli {
namespace {

Result<ExitCode> import_files(const exchange::ImportRequest& request, Streams& streams) {
  const InterruptFlag interrupt({SIGINT, SIGTERM, SIGHUP});
  ExchangeProgress progress(streams.err, interrupt.flag());
  const Result<exchange::Summary> summary = exchange::import_trace_cmd(request, progress);
  progress.clear();
  if (!summary) return summary.error();
  for (const std::string& notice : summary->notices) print_notice(streams, notice);
  // The proof that the guests' clocks are right, as a recording has it.
  const auto containments =
      journal_containment(request.out, [&] { return query::stopped(interrupt.flag()); });
  if (!containments) print_notice(streams, "containment was not measured: " + containments.error().message);
  streams.out << grouped(summary->events) << " events in " << request.out << "\n";
  if (containments) {
    for (const auto& [machine, containment] : *containments)
      streams.out << machine << ": " << containment_text(containment) << "\n";
  }
  return summary->incomplete ? ExitCode::kLoss : ExitCode::kOk;
}

}  // namespace

void add_import_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command = app.add_subcommand("import", "Makes a run of recordings of trace-cmd");
  const auto request = std::make_shared<exchange::ImportRequest>();
  command->add_option("files", request->files, "The host's trace.dat, then those of its guests")
      ->required()
      ->type_name("FILE");
  command->add_option("-o,--output", request->out, "The run directory to make")->required()->type_name("RUN");
  command->add_flag("--force", request->force, "Replace a run that an import made there before");
  command->callback([request, &invocation] {
    request->command_line = invocation.command_line;
    invocation.run = [request](Streams& streams) {
      return exit_code_of(import_files(*request, streams), streams);
    };
  });
}

}  // namespace ivtrace::cli
