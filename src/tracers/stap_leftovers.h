// SystemTap's modules whose recorder or agent died.
#pragma once

#include <string>
#include <vector>

namespace ivtrace::tracers {

/// Ends every stapio that serves a module of ours (is_stap_module_name()) and whose parent is no
/// living ivtrace (is_living_ivtrace()) any more, then unloads each of our modules that nobody serves. Waits
/// some seconds at most. Returns one line for each module that is still there, with why. Needs root.
/// Thread-safe.
std::vector<std::string> unload_leftover_modules();

}  // namespace ivtrace::tracers
