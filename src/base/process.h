// Which processes are ours.
#pragma once

#include <cstdint>

namespace ivtrace {

/// Whether a process lives that is an ivtrace: its name begins so, or is the caller's own. What carries a pid
/// in its name belongs to nobody when this is false: the pid may have been given to another program since.
/// Thread-safe.
bool is_living_ivtrace(std::int32_t pid);
/// The same of another process than the caller: what carries the caller's own pid is of one that had the pid
/// before. Thread-safe.
bool is_other_living_ivtrace(std::int32_t pid);

}  // namespace ivtrace
