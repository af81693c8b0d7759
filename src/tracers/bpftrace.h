// bpftrace, through its JSON output (bpftrace(8), -f json): one object per line, with its type.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tracers/tracer.h"

namespace ivtrace::tracers {

/// What one line of bpftrace's JSON output says.
struct BpftraceOutput {
  enum class What {
    kText,      ///< a script printed: `lines`, the last one perhaps without its end
    kAttached,  ///< the probes are being attached
    kMap,       ///< a map, histogram or statistics: `lines`, as people read them
    kLost,      ///< `lost` more events
    kOther,     ///< no JSON of bpftrace's: `lines` has it as it is
  };
  What what = What::kOther;
  std::vector<std::string> lines;
  std::uint64_t lost = 0;
};

/// Never fails; bounded by the line's length.
BpftraceOutput read_bpftrace_line(std::string_view line);

/// As Tracer::start, of kind "bpftrace".
Result<std::unique_ptr<Tracer>> start_bpftrace(const TracerSpec& spec);

}  // namespace ivtrace::tracers
