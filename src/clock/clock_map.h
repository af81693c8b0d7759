// The clock map: guest TSC → host TSC → nanoseconds and wall clock, and back. Exact 128-bit arithmetic; every
// answer comes with its error bound, and where nothing is known there is no answer.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "clock/types.h"

namespace ivtrace::clock {

/// Fraction bits of a speed in nanoseconds per tick.
inline constexpr int kMultShift = 52;

/// The host's TSC as time. Piecewise linear between anchors, by MONOTONIC_RAW for time spans (no clock step
/// or slew bends it) and by REALTIME for the wall clock. Before the first and behind the last anchor the
/// nearest piece goes on. Immutable, any thread.
class HostClock {
 public:
  /// `anchors` in any order; those that contradict the rest (a TSC or raw clock that does not rise) are left
  /// out. `start` is time 0. With a single anchor the speed is `nominal_khz`; kCorrupt when there is no way
  /// to know it.
  static Result<HostClock> create(std::vector<Anchor> anchors, HostTsc start, std::uint64_t nominal_khz = 0);

  /// Since the run's start; negative before it.
  Nanoseconds to_ns(HostTsc tsc) const;
  HostTsc to_tsc(Nanoseconds since_start) const;
  /// Since the Unix epoch.
  Nanoseconds to_realtime(HostTsc tsc) const;
  /// The first host time at which the wall clock showed that.
  HostTsc from_realtime(Nanoseconds since_epoch) const;

  /// Bound on to_ns' error at that time: the pairing of the anchors around it, and how far anchors were seen
  /// to lie off the line between their neighbours.
  Nanoseconds error(HostTsc tsc) const;
  /// The worst error() between the first and the last anchor.
  Nanoseconds worst_error() const { return worst_error_; }
  /// A span of host ticks as time, by the average speed of the whole run.
  Nanoseconds ticks_to_ns(std::uint64_t ticks) const;
  /// adjtimex' maxerror of the last anchor that had one: how far REALTIME may be off; -1 when unknown.
  std::int64_t wall_maxerror_us() const { return wall_maxerror_us_; }

 private:
  struct Piece {
    std::uint64_t tsc = 0;
    std::int64_t raw = 0;
    std::int64_t real = 0;
    std::uint64_t raw_mult = 0;  ///< ns per tick, kMultShift fraction bits
    std::uint64_t real_mult = 0;
    std::int64_t error = 0;  ///< between its anchors
    double drift = 0;        ///< by how much the speed may be wrong, ns per tick
  };
  friend class NearClock;
  HostClock() = default;
  const Piece& piece_of(HostTsc tsc) const;
  std::int64_t raw_of(HostTsc tsc) const;

  std::vector<Piece> pieces_;  ///< by rising tsc, at least one
  std::uint64_t end_tsc_ = 0;  ///< of the last anchor
  std::int64_t start_raw_ = 0;
  std::uint64_t average_mult_ = 0;
  Nanoseconds worst_error_;
  std::int64_t wall_maxerror_us_ = -1;
};

/// HostClock::to_ns() for many times that are mostly near the one before: the piece is searched for only when
/// it changes. Borrows the clock. One thread.
class NearClock {
 public:
  explicit NearClock(const HostClock& clock) : clock_(clock) {}

  Nanoseconds to_ns(HostTsc tsc) {
    if (tsc.value - from_ >= ticks_ && !move(tsc)) [[unlikely]]
      return clock_.to_ns(tsc);
    const auto product = static_cast<unsigned __int128>(tsc.value - from_) * mult_;
    return Nanoseconds(ns_ + static_cast<std::int64_t>(product >> kMultShift));
  }

 private:
  /// False: only the exact way is safe there.
  bool move(HostTsc tsc);

  const HostClock& clock_;
  std::uint64_t from_ = 0;   ///< of the piece
  std::uint64_t ticks_ = 0;  ///< its length
  std::uint64_t mult_ = 0;
  std::int64_t ns_ = 0;  ///< at its begin
};

/// A guest timestamp on the host's clock.
struct HostTime {
  HostTsc tsc;
  std::uint64_t error = 0;  ///< bound on |true − tsc| in host ticks
  bool uncertain =
      false;  ///< more than one epoch may hold: `error` covers all of them; or it is before any burst
};

/// One guest's clock: its epochs, for all CPUs or for single ones. Built once, then immutable and for any
/// thread.
class GuestClock {
 public:
  /// Takes the epochs in the order in which they were journalled. Knowledge improves: an epoch with the
  /// valid_from of an earlier one replaces it and all behind it; one with the relation of the last one
  /// replaces that. An epoch for one CPU separates that CPU from the epochs for all that come later. Epochs
  /// whose numbers make no sense are refused.
  Status add(const Epoch& epoch);

  /// Is there any relation? Without one nothing of this guest can be put on the host's clock.
  bool aligned() const { return !shared_.empty() || !own_.empty(); }
  bool aligned(CpuId cpu) const { return !timeline(cpu).empty(); }

  /// Empty when nothing is known for that CPU, or when the guest's time is none of any epoch.
  std::optional<HostTime> to_host(GuestTsc tsc, CpuId cpu) const;
  /// What the guest's CPU read at that host time, by the epoch that was established last before it.
  std::optional<GuestTsc> to_guest(HostTsc tsc, CpuId cpu) const;

  /// The epochs that count for that CPU, in their order.
  std::span<const Epoch> timeline(CpuId cpu) const;
  /// All CPUs' epochs that count.
  std::size_t epoch_count() const;
  /// The worst error bound of all epochs, host ticks; empty when not aligned.
  std::optional<std::uint64_t> worst_error() const;
  /// Guest ticks between epochs, in which either of two may hold: of the CPU that has most of them.
  std::uint64_t ticks_in_doubt() const;
  /// The best source among the epochs that stand at the end.
  ClockSource source() const;

  /// Converts the timestamps of one CPU's stream in their order. It is fast where one unscaled epoch alone
  /// can hold, and where several can, the order excludes those that would put an event before its
  /// predecessors. Borrows the clock, which must outlive it and stay as it is. One thread.
  class Stream {
   public:
    Stream(const GuestClock& clock, CpuId cpu) : timeline_(clock.timeline(cpu)) {}

    std::optional<HostTime> to_host(GuestTsc tsc) {
      if (tsc.value >= first_ && tsc.value < end_) {
        last_ = tsc.value - offset_;
        return HostTime{HostTsc(last_), error_, false};
      }
      return look_up(tsc);
    }
    /// The last answer that was uncertain; its tsc is 0 when there was none.
    const HostTime& last_doubt() const { return last_doubt_; }

   private:
    std::optional<HostTime> look_up(GuestTsc tsc);
    void set_fast_range(std::size_t index);

    std::span<const Epoch> timeline_;
    std::uint64_t first_ = 1;  ///< the fast range [first_, end_), empty at the start
    std::uint64_t end_ = 0;
    std::uint64_t offset_ = 0;
    std::uint64_t error_ = 0;
    std::uint64_t last_ = 0;  ///< host time of the last certain event
    HostTime last_doubt_;
  };

 private:
  static void append(std::vector<Epoch>& timeline, const Epoch& epoch);

  std::vector<Epoch> shared_;
  std::map<std::uint32_t, std::vector<Epoch>> own_;  ///< whole timelines, the shared past included
};

}  // namespace ivtrace::clock
