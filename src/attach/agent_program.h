// The agent's program as it goes into a guest.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"

namespace ivtrace::attach {

/// Where the program is: `wanted` if that is not empty, else beside the running program, else where it is
/// installed. kNotFound names the places.
Result<std::string> find_agent_program(const std::string& wanted);

/// What of a static x86-64 program is needed to run it: without what stands behind its segments, which is
/// debug information for the most part. kInvalid for any other file.
Result<std::vector<std::byte>> load_agent_program(const std::string& path);

}  // namespace ivtrace::attach
