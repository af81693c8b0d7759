// Running another program and ending as it does.
#pragma once

#include <string>
#include <vector>

namespace ivtrace::mark {

/// Runs it to its end, found by PATH. What a shell would say of it: its exit code, 128 + signal, 127 when
/// there is no such program, 126 when it cannot be run; the latter two with a line on standard error.
/// Meanwhile SIGINT and SIGQUIT, which a terminal sends to both, are the command's to answer.
int run_command(const std::vector<std::string>& command);

}  // namespace ivtrace::mark
