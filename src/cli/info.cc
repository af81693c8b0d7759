#include <CLI/App.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/run_info_load.h"
#include "record/registry.h"

namespace ivtrace::cli {
namespace {

struct InfoOptions {
  std::string run;
  std::string state_directory = "/run/ivtrace";
  bool json = false;
};

/// Whether a recorder that is alive has registered this run.
bool being_recorded(const std::string& run, const std::string& state_directory) {
  std::error_code failed;
  std::vector<std::string> problems;
  const auto registry = record::read_registry(state_directory, problems);
  return std::any_of(registry.begin(), registry.end(), [&](const auto& named) {
    const record::RegistryEntry& entry = named.second;
    return record::alive(entry) && std::filesystem::equivalent(run, entry.run, failed) && !failed;
  });
}

ExitCode run_info(const InfoOptions& options, Streams& streams) {
  const Result<run::RunReader> run = run::RunReader::open(options.run);
  if (!run) {
    print_error(streams, run.error());
    return ExitCode::kFailed;
  }
  const RunInfo info = load_run_info(*run, being_recorded(options.run, options.state_directory));
  streams.out << (options.json ? run_info_json(info) : run_info_text(info));
  return info.has_loss() ? ExitCode::kLoss : ExitCode::kOk;
}

}  // namespace

void add_info_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command =
      app.add_subcommand("info", "Tells what a run holds, what is lost, and how good its clocks are");
  const auto options = std::make_shared<InfoOptions>();
  command->add_option("run", options->run, "The run directory")->required()->type_name("RUN");
  command->add_flag("--json", options->json, "One JSON object");
  command->add_option("--state-directory", options->state_directory, "Where recorders register")->group("");
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) { return run_info(*options, streams); };
  });
}

}  // namespace ivtrace::cli
