// One CPU's own TSC to the host's, for every event of a stream.
#pragma once

#include <cstdint>
#include <optional>

#include "base/units.h"
#include "clock/clock_map.h"

namespace ivtrace::merge {

/// Converts the timestamps of one stream. One of three kinds: the host's own (nothing to do), a guest's by
/// its clock map, or, when the user forces a guest without a relation into the order, by an assumed offset.
/// Borrows the guest's clock, which must outlive it. Copyable; one thread.
class TimeConverter {
 public:
  static TimeConverter host() { return TimeConverter(0, true); }
  static TimeConverter guest(const clock::GuestClock& clock, CpuId cpu) {
    TimeConverter converter(0, true);
    converter.length_ = 0;
    converter.clock_ = &clock;
    converter.cpu_ = cpu;
    converter.guest_.emplace(clock, cpu);
    return converter;
  }
  /// host = native + add, which nobody vouches for.
  static TimeConverter assumed(std::uint64_t add) { return TimeConverter(add, false); }

  /// The host's time of `native`, or false when there is none.
  [[gnu::always_inline]] bool convert(std::uint64_t native, std::uint64_t& host) {
    if (native < length_) [[likely]] {
      host = native + add_;
      return true;
    }
    if (!guest_) {  // the last tick of all, which no [0, length) holds
      host = native + add_;
      return true;
    }
    const std::optional<clock::HostTime> time = guest_->to_host(GuestTsc(native));
    if (!time) return false;
    host = time->tsc.value;
    return true;
  }

  /// When convert() just gave `host`: by how many host ticks it may be off because more than one relation may
  /// hold there; 0 when none but the relation's own error counts.
  std::uint64_t doubt(std::uint64_t host) const {
    return guest_ && guest_->last_doubt().tsc.value == host ? guest_->last_doubt().error : 0;
  }

  /// What this CPU's TSC was at a host time, when one relation holds for all of the run; empty otherwise.
  std::optional<std::uint64_t> to_native(HostTsc host) const {
    if (!guest_) return host.value - add_;
    if (clock_->timeline(cpu_).size() != 1) return std::nullopt;
    const std::optional<GuestTsc> native = clock_->to_guest(host, cpu_);
    if (!native) return std::nullopt;
    return native->value;
  }

  /// Does the conversion rest on a trusted relation?
  bool aligned() const { return aligned_; }

 private:
  TimeConverter(std::uint64_t add, bool aligned) : add_(add), aligned_(aligned) {}

  std::uint64_t length_ = ~std::uint64_t{0};
  std::uint64_t add_ = 0;
  bool aligned_ = true;
  const clock::GuestClock* clock_ = nullptr;
  CpuId cpu_;
  std::optional<clock::GuestClock::Stream> guest_;
};

}  // namespace ivtrace::merge
