#include "tracefs/cpus.h"

#include "base/fd.h"
#include "base/text.h"
#include "format/ivring.h"

namespace ivtrace::tracefs {
namespace {

Result<std::vector<CpuId>> read_cpu_list(const char* path) {
  IVT_ASSIGN_OR_RETURN(const std::string text, read_file(path, 64u << 10));
  return parse_cpu_list(text);
}

}  // namespace

Result<std::vector<CpuId>> parse_cpu_list(std::string_view text) {
  std::vector<CpuId> cpus;
  text = trim(text);
  if (text.empty()) return cpus;
  for (std::string_view range : split(text, ',')) {
    const std::size_t dash = range.find('-');
    IVT_ASSIGN_OR_RETURN(const std::uint64_t first, parse_u64(range.substr(0, dash)));
    std::uint64_t last = first;
    if (dash != range.npos) {
      IVT_ASSIGN_OR_RETURN(last, parse_u64(range.substr(dash + 1)));
    }
    if (last < first || last >= format::kMaxCpus) {
      return Error(ErrorCode::kCorrupt, "\"" + std::string(text) + "\" is no list of CPUs");
    }
    for (std::uint64_t cpu = first; cpu <= last; ++cpu) cpus.emplace_back(static_cast<std::uint32_t>(cpu));
  }
  return cpus;
}

Result<std::vector<CpuId>> possible_cpus() { return read_cpu_list("/sys/devices/system/cpu/possible"); }
Result<std::vector<CpuId>> online_cpus() { return read_cpu_list("/sys/devices/system/cpu/online"); }

}  // namespace ivtrace::tracefs
