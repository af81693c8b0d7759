// A run as trace-cmd's files: one trace.dat for the host and for each guest, tied together by trace ids and
// put on one clock by their options, so that trace-cmd and KernelShark show them as one.
#pragma once

#include "exchange/job.h"

namespace ivtrace::exchange {

/// Writes job.place/<machine>.dat of every machine that has events and a clock.
Status write_trace_cmd(const Job& job);

}  // namespace ivtrace::exchange
