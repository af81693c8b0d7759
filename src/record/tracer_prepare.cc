#include "record/tracer_prepare.h"

#include <algorithm>
#include <filesystem>

#include "base/fd.h"
#include "tracers/stap_compile.h"
#include "tracers/tracer_set.h"

namespace ivtrace::record {
namespace {

constexpr std::size_t kMaxScript = 1u << 20;

Result<PreparedTracer> read_script(const TracerRequest& request) {
  auto script = read_file(request.path, kMaxScript);
  if (!script) return std::move(script).error();
  return PreparedTracer{request.kind, "", *std::move(script), request.options};
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
  return request.kind == "stap" ? compile(request, machine, {notice, give_up}) : read_script(request);
}

}  // namespace ivtrace::record
