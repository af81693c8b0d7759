#include "base/process.h"

#include <unistd.h>

#include <string>

#include "base/fd.h"

namespace ivtrace {

bool is_living_ivtrace(std::int32_t pid) {
  const std::string process = "/proc/" + std::to_string(pid);
  const auto comm = read_file(process + "/comm", 4096);
  const auto own = read_file("/proc/self/comm", 4096);
  const auto words = read_file(process + "/cmdline", 1u << 20);
  // One that has ended keeps its name until its parent asks, but no words.
  return comm && words && !words->empty() && (comm->starts_with("ivtrace") || (own && *own == *comm));
}

bool is_other_living_ivtrace(std::int32_t pid) { return pid != ::getpid() && is_living_ivtrace(pid); }

}  // namespace ivtrace
