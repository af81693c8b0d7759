#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "tracers/stap_compile.h"
#include "tracers/stap_run.h"

// A guest's kallsyms become a System.map of whole lines, whatever they are; what stap and staprun say is
// taken as text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string map = ivtrace::tracers::system_map_of(text);
  IVT_CHECK(map.empty() || map.back() == '\n');
  IVT_CHECK(ivtrace::tracers::first_stap_error(text).size() <= 400);
  ivtrace::tracers::stap_version_of(text);
  ivtrace::tracers::skipped_probes_of(text);
  return 0;
}
