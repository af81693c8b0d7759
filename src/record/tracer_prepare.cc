#include "record/tracer_prepare.h"

#include <algorithm>
#include <filesystem>

#include "base/fd.h"

namespace ivtrace::record {
namespace {

constexpr std::size_t kMaxScript = 1u << 20;

Result<PreparedTracer> read_script(const TracerRequest& request) {
  auto script = read_file(request.path, kMaxScript);
  if (!script) return std::move(script).error();
  return PreparedTracer{request.kind, script_name(request.path) + ".bt", *std::move(script), request.options};
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

Result<PreparedTracer> prepare_tracer(const TracerRequest& request, const TracerMachine&,
                                      const std::function<void(const std::string&)>&,
                                      const std::function<bool()>&) {
  return read_script(request);
}

}  // namespace ivtrace::record
