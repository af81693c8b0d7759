// A compiled SystemTap module under staprun(8).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "tracers/tracer.h"

namespace ivtrace::tracers {

/// As Tracer::start, of kind "stap-module".
Result<std::unique_ptr<Tracer>> start_stap_module(const TracerSpec& spec);

/// Of SystemTap's own word at a script's end, "WARNING: Number of errors: 0, skipped probes: 7": probes that
/// fired and were not run. 0 for any other line.
std::uint64_t skipped_probes_of(std::string_view line);

}  // namespace ivtrace::tracers
