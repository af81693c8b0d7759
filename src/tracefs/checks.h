// What a machine, host or guest, has or lacks for tracing.
#pragma once

#include <string>
#include <vector>

#include "format/mailbox_message.h"

namespace ivtrace::tracefs {

/// Tries everything that a recording needs, in a private instance that is gone afterwards: rights, tracefs,
/// trace clock, lockdown, the kernel's events, mapping of buffers, memory for buffers of `buffer_kb` per CPU.
/// `instance_name` is the private instance's; empty: "ivtrace-<pid>-check", which `ivtrace cleanup` knows for
/// a leftover when the process was killed.
std::vector<format::Check> check_tracing(std::uint64_t buffer_kb, const std::string& instance_name = {});

}  // namespace ivtrace::tracefs
