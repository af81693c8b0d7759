// The kernel's tables that turn numbers of a trace into names.
#pragma once

#include <string>

#include "base/result.h"
#include "tracefs/mount.h"

namespace ivtrace::tracefs {

/// /proc/kallsyms as the kernel shows it to us.
Result<std::string> kallsyms_text();
/// "tid comm\n" for every thread that lives now.
Result<std::string> cmdlines_text();
/// printk_formats: addresses of trace_printk's format strings and their texts.
Result<std::string> printk_formats_text(const TraceDir& dir);

}  // namespace ivtrace::tracefs
