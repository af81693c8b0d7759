#include "record/tracer_prepare.h"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "base/fd.h"
#include "tracers/stap_compile.h"
#include "tracers/stap_module.h"
#include "tracers/tracer.h"
#include "tracers/tracer_set.h"

namespace ivtrace::record {
namespace {

constexpr std::size_t kMaxScript = 1u << 20;

Result<PreparedTracer> read_script(const TracerRequest& request) {
  auto script = read_file(request.path, kMaxScript);
  if (!script) return std::move(script).error();
  PreparedTracer prepared;
  prepared.kind = request.kind;
  prepared.bytes = *std::move(script);
  prepared.arguments = request.options;
  return prepared;
}

/// What lacks here may be there; what is wrong with the script or its options is wrong there as well.
bool is_lack(const Error& error) {
  return error.code == ErrorCode::kNotFound || error.code == ErrorCode::kUnsupported;
}

Result<PreparedTracer> leave_to_machine(const TracerRequest& request, Error obstacle) {
  IVT_ASSIGN_OR_RETURN(PreparedTracer prepared, read_script(request));
  prepared.kind = tracers::kScriptKind;
  prepared.file_name = script_name(request.path) + ".stp";
  prepared.arguments = options_elsewhere(request.options);
  prepared.origin = "compiled in the guest";
  prepared.obstacle = std::move(obstacle);
  return prepared;
}

bool is_module(const std::string& path) { return path.ends_with(".ko"); }

/// Compiled elsewhere: neither stap nor headers are needed here.
Result<PreparedTracer> bring(const TracerRequest& request, const TracerMachine& machine) {
  IVT_ASSIGN_OR_RETURN(std::string bytes, read_file(request.path, tracers::kMaxTracerFile));
  IVT_ASSIGN_OR_RETURN(const std::string name,
                       tracers::usable_stap_module(bytes, request.path, machine.kernel_release));
  PreparedTracer prepared;
  prepared.kind = tracers::kModuleKind;
  prepared.file_name = name + ".ko";
  prepared.bytes = std::move(bytes);
  prepared.origin = "compiled elsewhere";
  return prepared;
}

Result<PreparedTracer> compile(const TracerRequest& request, const TracerMachine& machine,
                               const tracers::StapCallbacks& callbacks) {
  tracers::StapCompile what{request.path, machine.kernel_release, request.options, {}};
  if (machine.is_guest) {
    const Status can = tracers::can_compile_stap(what, callbacks);
    if (!can && is_lack(can.error())) return leave_to_machine(request, can.error());
  }
  IVT_ASSIGN_OR_RETURN(const bool wants_kallsyms, tracers::wants_kallsyms(what));
  if (wants_kallsyms) {
    IVT_ASSIGN_OR_RETURN(what.kallsyms, machine.kallsyms(callbacks.give_up));
  }
  IVT_ASSIGN_OR_RETURN(const tracers::StapModule module, tracers::compile_stap(what, callbacks));
  IVT_ASSIGN_OR_RETURN(std::string bytes, read_file(module.path, tracers::kMaxTracerFile));
  PreparedTracer prepared;
  prepared.kind = tracers::kModuleKind;
  prepared.file_name = module.name + ".ko";
  prepared.bytes = std::move(bytes);
  prepared.origin = "compiled on the host";
  return prepared;
}

}  // namespace

std::vector<std::string> options_elsewhere(const std::vector<std::string>& options) {
  constexpr std::string_view kSysroot = "--sysroot";
  std::vector<std::string> kept;
  for (std::size_t i = 0; i < options.size(); ++i) {
    const std::string& option = options[i];
    if (option == "-r" || option == kSysroot) {
      ++i;  // its argument is the next one
    } else if (!option.starts_with("-r") && !option.starts_with(kSysroot)) {
      kept.push_back(option);
    }
  }
  return kept;
}

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
