// The command line as a whole: from arguments to an exit code.
#pragma once

#include <span>
#include <string>

#include "cli/exit_code.h"
#include "cli/output.h"

namespace ivtrace::cli {

/// Runs the command that `arguments` (without the program's name) ask for. Prints to `streams` only; never
/// exits. Unknown commands and options are answered with the nearest names and kUsage.
ExitCode run_cli(std::span<const std::string> arguments, Streams& streams);
/// All commands and options as JSON, for tools/manual, which makes man pages and shell completion of it.
std::string declaration();

}  // namespace ivtrace::cli
