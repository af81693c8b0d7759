#include <CLI/App.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/run_info_load.h"

namespace ivtrace::cli {
namespace {

struct InfoOptions {
  std::string run;
  bool json = false;
};

ExitCode run_info(const InfoOptions& options, Streams& streams) {
  const Result<run::RunReader> run = run::RunReader::open(options.run);
  if (!run) {
    print_error(streams, run.error());
    return ExitCode::kFailed;
  }
  const RunInfo info = load_run_info(*run);
  streams.out << (options.json ? run_info_json(info) : run_info_text(info));
  return info.has_loss() ? ExitCode::kLoss : ExitCode::kOk;
}

}  // namespace

void add_info_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command = app.add_subcommand("info", "Tells what a run holds, what is lost, and how good its clocks are");
  const auto options = std::make_shared<InfoOptions>();
  command->add_option("run", options->run, "The run directory")->required()->type_name("RUN");
  command->add_flag("--json", options->json, "One JSON object");
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) { return run_info(*options, streams); };
  });
}

}  // namespace ivtrace::cli
