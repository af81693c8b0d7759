#include <signal.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "cli/cli.h"

namespace {

void ignore(int) {}

}  // namespace

int main(int argc, char** argv) {
  // A handler, not SIG_IGN: a reader that goes away must not kill us, and programs that record starts get the
  // default.
  struct sigaction action = {};
  action.sa_handler = ignore;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGPIPE, &action, nullptr);

  const std::vector<std::string> arguments(argv + 1, argv + (argc > 0 ? argc : 1));
  ivtrace::cli::Output out = ivtrace::cli::Output::to_fd(STDOUT_FILENO);
  ivtrace::cli::Output err = ivtrace::cli::Output::to_fd(STDERR_FILENO);
  ivtrace::cli::Streams streams{out, err};
  ivtrace::cli::ExitCode code = ivtrace::cli::run_cli(arguments, streams);
  out.flush();
  if (!out.status()) {
    ivtrace::cli::print_error(streams, out.status().error());
    code = ivtrace::cli::ExitCode::kFailed;
  }
  return static_cast<int>(code);
}
