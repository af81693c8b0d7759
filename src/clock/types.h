// What is known of clocks, as it is written to the journal and read back: anchors, bursts and epochs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/units.h"

namespace ivtrace::clock {

/// The host's clocks at one moment: all read within `bracket` TSC ticks around `tsc`.
struct Anchor {
  HostTsc tsc;
  std::uint64_t bracket = 0;  ///< width of the smallest bracket found; the pairing's error is half of it
  Nanoseconds monotonic_raw;
  Nanoseconds monotonic;
  Nanoseconds realtime;           ///< since the Unix epoch
  std::int64_t maxerror_us = -1;  ///< adjtimex maxerror, -1 when unknown
  std::int64_t esterror_us = -1;
};

/// guest_tsc = host_tsc * ratio + offset. `ratio` is fixed-point with `frac_bits` fraction bits (48 on VMX,
/// 32 on SVM); 0 fraction bits and ratio 1 is "not scaled". Arithmetic is exact, in 128 bits.
struct TscRelation {
  std::int64_t offset = 0;
  std::uint64_t ratio = 1;
  std::uint32_t frac_bits = 0;

  friend bool operator==(const TscRelation&, const TscRelation&) = default;
};

/// Result of one handshake burst on one guest CPU: the true offset (at ratio 1) lies in [lower, upper].
struct Burst {
  HostTsc host_tsc;        ///< when it ended
  GuestTsc guest_tsc;      ///< the guest's reading in the exchange that gave the tightest bound
  std::uint32_t cpu = 0;   ///< guest CPU that answered
  std::int64_t lower = 0;  ///< max(g − t2)
  std::int64_t upper =
      0;  ///< min(g − t1); upper < lower: the exchanges contradict each other (an empty interval)
  std::uint64_t exchanges = 0;  ///< answered ones; 0: the guest did not answer, the other numbers say nothing
  HostTsc tight_t1;             ///< t1 and t2 around `guest_tsc`: the narrowest exchange, a point of the line
  HostTsc tight_t2;             ///<   guest_tsc(host_tsc) whatever its ratio
};

/// A guest TSC that was read at some host time within [not_before, not_after]: a heartbeat. Far too wide to
/// tell an offset, yet between two bursts it tells which of two offsets held.
struct Sighting {
  GuestTsc guest;
  HostTsc not_before;
  HostTsc not_after;
};

enum class ClockSource { kNone, kHandshake, kKvmDebugfs, kKvmTracepoint, kGiven };

/// A stretch of a guest's time in which one relation holds, for one CPU or for all of them.
struct Epoch {
  GuestTsc valid_from;               ///< the relation holds for guest timestamps from here on …
  std::uint64_t uncertain = 0;       ///< … and may already hold up to this many guest ticks earlier
  HostTsc host_from;                 ///< host time when the epoch was established
  std::optional<std::uint32_t> cpu;  ///< guest CPU, or all
  TscRelation relation;
  ClockSource source = ClockSource::kNone;
  std::uint64_t error = 0;  ///< bound on |true − offset| in host ticks
};

const char* to_string(ClockSource source);
ClockSource clock_source_of(const std::string& name);

}  // namespace ivtrace::clock
