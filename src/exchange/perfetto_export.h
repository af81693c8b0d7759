// Perfetto's protobuf: what ui.perfetto.dev and its trace processor open.
#pragma once

#include "exchange/job.h"

namespace ivtrace::exchange {

/// One file: each machine as a process, with tracks for CPUs, vCPUs, interrupts and disk requests, arrows
/// from a guest's request to the host's, and the findings as markers. What reaches beyond the range that is
/// asked for is cut there.
Status write_perfetto(const Job& job);

}  // namespace ivtrace::exchange
