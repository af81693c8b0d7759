// Which tracer programs a machine has.
#pragma once

#include <string>
#include <vector>

namespace ivtrace::tracers {

/// "staprun 4.8", "stap 4.8", "bpftrace 0.17.0": those that are there, with what they say of their version.
/// Asked for once in a process' life, since each of them is run for it.
const std::vector<std::string>& tracer_tools();

}  // namespace ivtrace::tracers
