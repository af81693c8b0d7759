#include "record/tracer_prepare.h"

#include <algorithm>
#include <filesystem>

#include "base/fd.h"
#include "tracers/stap_compile.h"
#include "tracers/stap_module.h"
#include "tracers/tracer_set.h"

namespace ivtrace::record {
namespace {

constexpr std::size_t kMaxScript = 1u << 20;

Result<PreparedTracer> read_script(const TracerRequest& request) {
  auto script = read_file(request.path, kMaxScript);
  if (!script) return std::move(script).error();
  return PreparedTracer{request.kind, "", *std::move(script), request.options};
}

bool is_module(const std::string& path) { return path.ends_with(".ko"); }

/// Compiled elsewhere: neither stap nor headers are needed here.
Result<PreparedTracer> bring(const TracerRequest& request, const TracerMachine& machine) {
  IVT_ASSIGN_OR_RETURN(std::string bytes, read_file(request.path, tracers::kMaxTracerFile));
  IVT_ASSIGN_OR_RETURN(const std::string name,
                       tracers::usable_stap_module(bytes, request.path, machine.kernel_release));
  return PreparedTracer{"stap-module", name + ".ko", std::move(bytes), {}};
}

Result<PreparedTracer> compile(const TracerRequest& request, const TracerMachine& machine,
                               const tracers::StapCallbacks& callbacks) {
  tracers::StapCompile what{request.path, machine.kernel_release, request.options, {}};
  IVT_ASSIGN_OR_RETURN(const bool wants_kallsyms, tracers::wants_kallsyms(what));
  if (wants_kallsyms) {
    IVT_ASSIGN_OR_RETURN(what.kallsyms, machine.kallsyms(callbacks.give_up));
  }
  IVT_ASSIGN_OR_RETURN(const tracers::StapModule module, tracers::compile_stap(what, callbacks));
  IVT_ASSIGN_OR_RETURN(std::string bytes, read_file(module.path, tracers::kMaxTracerFile));
  return PreparedTracer{"stap-module", module.name + ".ko", std::move(bytes), {}};
}

}  // namespace

std::string script_name(const std::string& path) {
  std::string name = std::filesystem::path(path).stem().string();
  for (char& c : name) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!fine) c = '_';
  }
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) name.insert(name.begin(), '_');
  return name.substr(0, 40);
}

Result<PreparedTracer> prepare_tracer(const TracerRequest& request, const TracerMachine& machine,
                                      const std::function<void(const std::string&)>& notice,
                                      const std::function<bool()>& give_up) {
  if (request.kind != "stap") return read_script(request);
  return is_module(request.path) ? bring(request, machine) : compile(request, machine, {notice, give_up});
}

}  // namespace ivtrace::record
