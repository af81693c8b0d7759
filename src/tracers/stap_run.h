// A compiled SystemTap module under staprun(8).
#pragma once

#include <memory>

#include "base/result.h"
#include "tracers/tracer.h"

namespace ivtrace::tracers {

/// As Tracer::start, of kind "stap-module".
Result<std::unique_ptr<Tracer>> start_stap_module(const TracerSpec& spec);

}  // namespace ivtrace::tracers
