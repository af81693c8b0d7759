// Exact arithmetic of one TscRelation, both ways.
//
// The hardware computes guest = ((host * ratio) >> frac_bits) + offset modulo 2^64 (Intel SDM vol. 3, "TSC
// scaling"; AMD APM vol. 2, "TSC Ratio MSR"). A guest may set its TSC to any 64-bit value, so sums wrap. A
// host's own TSC counts from its boot and does not reach 2^63 within decades: what would need such a host
// time is no time of this host.
#pragma once

#include <cstdint>
#include <optional>

#include "base/units.h"
#include "clock/types.h"

namespace ivtrace::clock {

/// No relation has more fraction bits (VMX has 48, SVM 32); more would not fit the 128-bit product.
inline constexpr std::uint32_t kMaxFracBits = 62;

/// Can this relation be computed with, or do its numbers (from a file) make no sense?
constexpr bool valid(const TscRelation& relation) {
  return relation.ratio != 0 && relation.frac_bits <= kMaxFracBits;
}

/// True when guest and host count at the same speed.
constexpr bool is_unscaled(const TscRelation& relation) {
  return relation.frac_bits <= kMaxFracBits && relation.ratio == 1ull << relation.frac_bits;
}

/// host * ratio >> frac_bits, modulo 2^64. Needs valid(relation).
constexpr std::uint64_t scale(const TscRelation& relation, std::uint64_t host) {
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(host) * relation.ratio) >>
                                    relation.frac_bits);
}

/// What the guest reads at that host time. Needs valid(relation).
constexpr GuestTsc to_guest(const TscRelation& relation, HostTsc host) {
  return GuestTsc(scale(relation, host.value) + static_cast<std::uint64_t>(relation.offset));
}

/// The earliest host time at which the guest reads `guest`; empty when the relation makes no sense or the
/// host's TSC could never have that value.
std::optional<HostTsc> to_host(const TscRelation& relation, GuestTsc guest);

/// How many host ticks pass while the guest counts `guest_ticks`, rounded up; saturates. Needs
/// valid(relation).
std::uint64_t host_ticks(const TscRelation& relation, std::uint64_t guest_ticks);

}  // namespace ivtrace::clock
