// What a dynamic probe's event is filtered by.
#pragma once

#include <string>
#include <string_view>

namespace ivtrace::tracefs {

/// The `filter` that was asked for ("": none), and that the program called `comm` is not recorded by its own
/// probes: it reads the trace, so a probe on what it calls to do that would feed itself without end. What
/// interrupts do while it runs is not its own and stays. A filter that speaks of COMM is taken as it is.
std::string probe_filter(std::string_view filter, std::string_view comm);

/// The name of the calling thread, which its process' other threads inherit.
std::string own_comm();

}  // namespace ivtrace::tracefs
