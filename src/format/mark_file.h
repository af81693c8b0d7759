// The file by which programs that mark the trace (include/ivtrace/mark.h) learn whether anybody records: one
// page, of which the first word is in use. It is made once and never removed, replaced or cut: programs have
// it mapped.
//
//   u32 generation   changes whenever a recording begins or ends on this machine; its value says nothing else
#pragma once

#include <cstddef>
#include <cstdint>

namespace ivtrace::format {

inline constexpr const char* kMarkFile = "/run/ivtrace/mark";
inline constexpr std::size_t kMarkFileBytes = 4096;
/// Generations below are the programs' own: 0 is none, 1 the time before there was a file.
inline constexpr std::uint32_t kFirstMarkGeneration = 2;

}  // namespace ivtrace::format
