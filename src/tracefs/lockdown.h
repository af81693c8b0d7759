// Kernel lockdown (Secure Boot): what it forbids, and how to say so.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace ivtrace::tracefs {

/// State of the kernel's lockdown LSM (man 7 kernel_lockdown). kIntegrity forbids mapping PCI resources,
/// kConfidentiality forbids tracefs as well. kUnknown: securityfs cannot be read.
enum class Lockdown { kNone, kIntegrity, kConfidentiality, kUnknown };

const char* to_string(Lockdown state);
/// "[none] integrity confidentiality" → kNone. Anything else is kUnknown.
Lockdown parse_lockdown(std::string_view text);
/// Reads securityfs where it is mounted, or through a private mount of it. A kernel without the LSM is kNone.
Lockdown lockdown_state();

/// `error` with a hint that names lockdown or missing rights, when it is of kPermission and has none.
Error explain_denied(Error error);

}  // namespace ivtrace::tracefs
