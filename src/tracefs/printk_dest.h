// Where trace_printk() goes: since Linux 6.12 to any instance, with the option trace_printk_dest.
#pragma once

#include "base/result.h"
#include "tracefs/instance.h"
#include "tracefs/mount.h"

namespace ivtrace::tracefs {

bool has_printk_dest(const TraceDir& dir);

/// Sends what trace_printk() writes to `instance`, until that is removed: then the kernel sends it to the
/// top-level buffer again, where it goes by default. kBusy when another instance has it.
Status send_printk_to(const TraceDir& dir, Instance& instance);

}  // namespace ivtrace::tracefs
