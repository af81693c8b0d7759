// The machine's CPUs as the kernel numbers them.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace ivtrace::tracefs {

/// "0-2,5\n" → 0, 1, 2, 5 (Documentation/admin-guide/cputopology.rst). More than kMaxCpus is kCorrupt.
Result<std::vector<CpuId>> parse_cpu_list(std::string_view text);
/// CPUs that may ever exist on this machine; each has a buffer in every instance.
Result<std::vector<CpuId>> possible_cpus();
/// CPUs that run now.
Result<std::vector<CpuId>> online_cpus();

}  // namespace ivtrace::tracefs
