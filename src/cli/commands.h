// The commands, each declared by its own file: its flags, its help, and what runs when it is chosen.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/exit_code.h"
#include "cli/output.h"

namespace CLI {
class App;
}

namespace ivtrace::cli {

/// Filled while the command line is parsed.
struct Invocation {
  /// What stands behind "--", untouched: the program that `record` runs.
  std::vector<std::string> trailing;
  /// All arguments, for the run's manifest.
  std::vector<std::string> command_line;
  /// Set by the command that was chosen.
  std::function<ExitCode(Streams&)> run;
};

// Each adds one subcommand to `app`. `invocation` outlives the parse and receives what to run.
void add_guests_command(CLI::App& app, Invocation& invocation);
void add_attach_command(CLI::App& app, Invocation& invocation);
void add_detach_command(CLI::App& app, Invocation& invocation);
void add_record_command(CLI::App& app, Invocation& invocation);
void add_info_command(CLI::App& app, Invocation& invocation);
void add_report_command(CLI::App& app, Invocation& invocation);
void add_diagnose_command(CLI::App& app, Invocation& invocation);
void add_patterns_command(CLI::App& app, Invocation& invocation);
void add_query_command(CLI::App& app, Invocation& invocation);
void add_view_command(CLI::App& app, Invocation& invocation);
void add_export_command(CLI::App& app, Invocation& invocation);
void add_import_command(CLI::App& app, Invocation& invocation);
void add_io_command(CLI::App& app, Invocation& invocation);
void add_vcpus_command(CLI::App& app, Invocation& invocation);
void add_exits_command(CLI::App& app, Invocation& invocation);
void add_doctor_command(CLI::App& app, Invocation& invocation);
void add_cleanup_command(CLI::App& app, Invocation& invocation);
void add_compile_command(CLI::App& app, Invocation& invocation);

}  // namespace ivtrace::cli
