// Running another program for its output.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace ivtrace::hypervisor {

/// What the program wrote to standard output. kNotFound when there is no such program, kTimeout when it took
/// longer than `limit` (it is then killed), kExhausted when it wrote more than `max_bytes`, kIo with the end
/// of its standard error when it failed. Returns within the limit and a second: a program that hangs in the
/// kernel, where no signal ends it, is left behind. Thread-safe. A path given as an argument must not begin
/// with "-".
Result<std::string> run_tool(const std::vector<std::string>& arguments, Nanoseconds limit,
                             std::size_t max_bytes);

}  // namespace ivtrace::hypervisor
