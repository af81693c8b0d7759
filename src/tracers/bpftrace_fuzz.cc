// One line of bpftrace's output: a script prints what it likes.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "tracers/bpftrace.h"
#include "tracers/line_clock.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const auto output = ivtrace::tracers::read_bpftrace_line(line);
  if (output.what == ivtrace::tracers::BpftraceOutput::What::kOther) IVT_CHECK(output.lines.size() == 1);
  ivtrace::tracers::leading_nanoseconds(line);
  return 0;
}
