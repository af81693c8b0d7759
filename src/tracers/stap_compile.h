// SystemTap scripts into kernel modules, on this machine, for a kernel of this or of another one.
//
// stap does the work: a pass that translates the script (-p3) tells what would be compiled, and the module is
// named by the sum of that, of the options and of the kernel. A module of that name that is there already is
// taken as it is; stap itself compiles anew whenever it is told a name. Its cache of what it learns about a
// kernel, which takes minutes the first time, is its own and stays where stap keeps it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ivtrace::tracers {

/// What is to be compiled.
struct StapCompile {
  std::string script;                ///< path
  std::string release;               ///< of the kernel that is to run it
  std::vector<std::string> options;  ///< for stap, as the user gave them: "-r", "/path/to/build", "-g", …
  std::string kallsyms;              ///< of that machine; only asked for when wants_kallsyms()
};

struct StapModule {
  std::string name;  ///< "ivtrace_" and 16 hexadecimal digits; the file's name before ".ko"
  std::string path;
};

struct StapCallbacks {
  std::function<void(const std::string&)> notice;  ///< one line for the user; may be empty
  std::function<bool()> give_up;                   ///< asked some ten times a second; may be empty
};

/// Whether this machine has what compiles scripts for that kernel: stap, new enough, and the headers. Errors
/// as of compile_stap().
Status can_compile_stap(const StapCompile& what, const StapCallbacks& callbacks);

/// Blocks, for minutes when the script's kernel has not been compiled for before. Threads may call it side by
/// side: for one kernel they take turns, as what the first has made serves the next. Errors are one line with
/// what to install: kNotFound (no stap, no headers), kUnsupported (stap is too old), kInvalid (the script,
/// told with its line), kGone (given up).
Result<StapModule> compile_stap(const StapCompile& what, const StapCallbacks& callbacks);

/// Whether the script has probes that need the kernel's symbols.
Result<bool> wants_kallsyms(const StapCompile& what);

/// The beginning of the names of all our modules.
inline constexpr std::string_view kStapModulePrefix = "ivtrace_";
bool is_stap_module_name(std::string_view name);

/// Parts of the work, for whoever runs stap in another way and for tests.

/// "4.8" of what `stap --version` prints; empty when there is none.
std::string stap_version_of(std::string_view text);
/// Arguments for stap that give a script our tapset and make it print "ivtrace-armed" once all of its probes
/// are. The tapset is written to the cache.
Result<std::vector<std::string>> stap_arguments(const StapCompile& what);
/// stap's first error as one line, with the script's line where stap tells it.
std::string first_stap_error(std::string_view errors);
/// A System.map out of /proc/kallsyms: the kernel's own symbols, without where this boot
/// has put them. Empty when the addresses are hidden.
std::string system_map_of(std::string_view kallsyms);

}  // namespace ivtrace::tracers
