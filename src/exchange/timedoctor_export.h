// A run for TimeDoctor, the viewer of the talk that this program goes back to.
#pragma once

#include "exchange/job.h"

namespace ivtrace::exchange {

/// One .tdi file: a block for each CPU of each machine, with who had it and its interrupts; one for each
/// vCPU, with what the host's kernel let it do; one for each machine's disks, and for what its programs
/// marked; and one of notes: findings and losses. Rows are put in order by SQLite, in temporary files where
/// they are many.
Status write_timedoctor(const Job& job);

}  // namespace ivtrace::exchange
