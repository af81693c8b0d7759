// Common Trace Format 1.8: what Babeltrace, Trace Compass and their kin read.
#pragma once

#include "exchange/job.h"

namespace ivtrace::exchange {

/// A trace for each machine, in a folder of its name. Events of unknown format are kept as bytes; holes are
/// told as discarded events, where their number is known, and each as an event ivtrace_loss.
Status write_ctf(const Job& job);

}  // namespace ivtrace::exchange
