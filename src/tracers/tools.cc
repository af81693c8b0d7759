#include "tracers/tools.h"

#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "tracers/quiet_run.h"
#include "tracers/stap_cache.h"
#include "tracers/stap_compile.h"

namespace ivtrace::tracers {
namespace {

constexpr std::chrono::seconds kLimit{3};

/// What a program prints when it is asked for its version; empty when it does not.
std::string answer_of(const std::string& program, const char* question) {
  const auto scratch = ScratchDirectory::make("/tmp");
  if (!scratch) return "";
  const auto give_up = std::chrono::steady_clock::now() + kLimit;
  const auto run = run_quietly({program, question}, scratch->path().string(),
                               [&] { return std::chrono::steady_clock::now() < give_up; });
  return run ? run->output + run->errors : "";
}

/// "bpftrace v0.17.0".
std::string bpftrace_version_of(std::string_view text) {
  const std::size_t at = text.find(" v");
  return at == text.npos ? "" : std::string(trim(text.substr(at + 2, text.find('\n') - at - 2)));
}

std::vector<std::string> ask() {
  std::vector<std::string> tools;
  const auto add = [&tools](const std::string& name, const char* question, auto version_of) {
    const std::string program = find_program(name);
    if (program.empty()) return;
    const std::string version = version_of(answer_of(program, question));
    tools.push_back(version.empty() ? name : name + " " + version);
  };
  add("staprun", "-V", stap_version_of);
  add("stap", "--version", stap_version_of);
  add("bpftrace", "--version", bpftrace_version_of);
  return tools;
}

}  // namespace

const std::vector<std::string>& tracer_tools() {
  static const std::vector<std::string> tools = ask();
  return tools;
}

}  // namespace ivtrace::tracers
