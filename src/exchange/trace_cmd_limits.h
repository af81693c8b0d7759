// Bounds of what is taken from, and given to, trace-cmd's files.
#pragma once

#include <cstdint>

namespace ivtrace::exchange {

/// No x86 kernel has more CPUs. libtracecmd makes a table as long as the largest number of one.
inline constexpr std::uint32_t kMostCpus = 8192;
/// Sub-buffers are aligned to pages of memory, to be mapped.
inline constexpr std::uint32_t kLeastPage = 4096;

}  // namespace ivtrace::exchange
