#include "clock/relation.h"

namespace ivtrace::clock {
namespace {

using U128 = unsigned __int128;

// ceil(guest << frac_bits / ratio): the least host count whose scaled value reaches `guest`.
U128 unscale(const TscRelation& relation, std::uint64_t guest) {
  const U128 numerator = static_cast<U128>(guest) << relation.frac_bits;
  return (numerator + relation.ratio - 1) / relation.ratio;
}

}  // namespace

std::optional<HostTsc> to_host(const TscRelation& relation, GuestTsc guest) {
  if (!valid(relation)) return std::nullopt;
  const std::uint64_t scaled = guest.value - static_cast<std::uint64_t>(relation.offset);
  const U128 host = is_unscaled(relation) ? scaled : unscale(relation, scaled);
  if (host >= 1ull << 63) return std::nullopt;
  return HostTsc(static_cast<std::uint64_t>(host));
}

std::uint64_t host_ticks(const TscRelation& relation, std::uint64_t guest_ticks) {
  if (is_unscaled(relation)) return guest_ticks;
  const U128 ticks = unscale(relation, guest_ticks);
  return ticks > ~0ull ? ~0ull : static_cast<std::uint64_t>(ticks);
}

}  // namespace ivtrace::clock
