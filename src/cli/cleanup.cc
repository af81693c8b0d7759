#include "record/cleanup.h"

#include <CLI/App.hpp>
#include <memory>

#include "cli/cleanup_view.h"
#include "cli/commands.h"
#include "hypervisor/ring_plug.h"

namespace ivtrace::cli {
namespace {

struct CleanupOptions {
  std::string state_directory;
  bool json = false;
};

ExitCode run_cleanup(const CleanupOptions& options, Streams& streams) {
  Result<record::CleanupReport> report =
      options.state_directory.empty() ? record::cleanup() : record::cleanup(options.state_directory);
  if (!report) {
    print_error(streams, report.error());
    return ExitCode::kFailed;
  }
  report->removed_rings = hypervisor::remove_left_rings();
  streams.out << (options.json ? cleanup_json(*report) : cleanup_text(*report));
  return report->problems.empty() ? ExitCode::kOk : ExitCode::kFailed;
}

}  // namespace

void add_cleanup_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command = app.add_subcommand("cleanup", "Salvages and removes what a killed recorder left");
  const auto options = std::make_shared<CleanupOptions>();
  command->add_flag("--json", options->json, "One JSON object");
  command->add_option("--state-directory", options->state_directory, "Where recorders register")->group("");
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) { return run_cleanup(*options, streams); };
  });
}

}  // namespace ivtrace::cli
