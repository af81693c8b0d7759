// What must be done on this host before a tracer can run on a machine.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "record/recorder.h"

namespace ivtrace::record {

/// The machine that a tracer is to run on.
struct TracerMachine {
  std::string kernel_release;
  /// Its /proc/kallsyms, when somebody needs it; may take some seconds, until the argument gives up.
  std::function<Result<std::string>(const std::function<bool()>&)> kallsyms;
  bool is_guest = false;  ///< its agent may be asked to compile what this host cannot
};

/// A tracer that only needs to be brought there and started; of kind tracers::kScriptKind, to be compiled
/// there between the two.
struct PreparedTracer {
  std::string kind;       ///< as Request::tracer_kind
  std::string file_name;  ///< there; empty: of the caller's choice
  std::string bytes;
  std::vector<std::string> arguments;
  std::string origin;             ///< of a compiled script: "compiled on the host"
  std::optional<Error> obstacle;  ///< of one to be compiled there: why it is not compiled here
};

/// Reads or compiles the script; the latter may take minutes, until `give_up` is true. `notice` gets a line
/// for people before long work. Errors have what to install or to change as their hint. Any thread.
Result<PreparedTracer> prepare_tracer(const TracerRequest& request, const TracerMachine& machine,
                                      const std::function<void(const std::string&)>& notice,
                                      const std::function<bool()>& give_up);

/// Of options for stap on this host, those that mean something on another machine: the headers (-r) and the
/// folder that stands for its root (--sysroot) are its own there.
std::vector<std::string> options_elsewhere(const std::vector<std::string>& options);

/// The script's name without folder and ending, as a C identifier.
std::string script_name(const std::string& path);

}  // namespace ivtrace::record
