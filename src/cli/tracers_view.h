// What `ivtrace info` tells of the tracers beside the kernel's own events.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "run/run_reader.h"

namespace ivtrace::cli {

/// Every scripts' and probes' record of all machines, in the machines' order.
std::vector<run::TracerRecord> tracers_in(const run::RunReader& run);

/// A table, and below it what failed with its remedy, and where the outputs are; empty when there are none.
/// `run` is the run's path.
std::string tracers_text(const std::vector<run::TracerRecord>& tracers, const std::string& run);
nlohmann::ordered_json tracers_json(const std::vector<run::TracerRecord>& tracers, const std::string& run);

}  // namespace ivtrace::cli
