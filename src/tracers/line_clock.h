// When a line happened that tells its time in nanoseconds of CLOCK_MONOTONIC, on this machine's TSC.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>

#include "base/units.h"
#include "clock/types.h"

namespace ivtrace::tracers {

/// The number that a line begins with, as printf("%llu …", nsecs) of bpftrace writes it; "[…]" around it and
/// what follows it, other than a letter or a point, do not matter.
std::optional<std::uint64_t> leading_nanoseconds(std::string_view line);

/// Turns CLOCK_MONOTONIC into TSC values of the same machine, between pairs of both that are at most some
/// seconds old. One thread.
class LineClock {
 public:
  /// Takes the first pair: no line is older.
  LineClock();

  /// Takes another pair if the last one is older than 100 ms.
  void tick();
  /// The TSC at `nanoseconds`; nothing for a time before the first pair or in the future, which is none of
  /// this clock.
  std::optional<std::uint64_t> tsc_at(std::uint64_t nanoseconds);

 private:
  friend class LineClockTest;
  struct Pair {
    std::int64_t monotonic = 0;
    std::uint64_t tsc = 0;
  };
  void add(Pair pair);
  std::optional<std::uint64_t> between(std::int64_t monotonic) const;

  std::int64_t first_ = 0;
  std::deque<Pair> pairs_;
};

}  // namespace ivtrace::tracers
