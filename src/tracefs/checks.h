// What a machine, host or guest, has or lacks for tracing.
#pragma once

#include <vector>

#include "format/mailbox_message.h"

namespace ivtrace::tracefs {

/// Tries everything that a recording needs, in a private instance that is gone afterwards: rights, tracefs,
/// trace clock, lockdown, the kernel's events, mapping of buffers, memory for buffers of `buffer_kb` per CPU.
std::vector<format::Check> check_tracing(std::uint64_t buffer_kb);

}  // namespace ivtrace::tracefs
