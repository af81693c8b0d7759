// The mailbox's requests about tracers, answered with a TracerSet.
#pragma once

#include "format/mailbox_message.h"
#include "tracers/tracer_set.h"

namespace ivtrace::agent {

/// Answers kTracerFile, kTracerCompile, kTracerStart, kTracerPoll and kTracerStop. To be called by one
/// thread, as the set.
format::Reply answer_tracers(tracers::TracerSet& set, const format::Request& request);

}  // namespace ivtrace::agent
