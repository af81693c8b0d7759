// Reading the CPU's time-stamp counter.
#pragma once

#include <x86intrin.h>

#include <cstdint>

namespace ivtrace {

/// The TSC of the CPU this runs on, ordered after all earlier loads and stores and before all later ones
/// (Intel SDM vol. 2, RDTSC: mfence;lfence before, lfence after). What machine's TSC that is, the caller
/// knows.
inline std::uint64_t read_tsc() {
  _mm_mfence();
  _mm_lfence();
  const std::uint64_t tsc = __rdtsc();
  _mm_lfence();
  return tsc;
}

}  // namespace ivtrace
