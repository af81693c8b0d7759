// The clock handshake: host and guest exchange TSC readings through two cache lines of the mailbox's control
// page.
//
//   host   t1 = TSC;  ping_seq = s  ───────▶
//                                             guest  sees s;  g = TSC;  pong_tsc = g;  pong_seq = s
//   host   sees pong_seq = s;  t2 = TSC   ◀───────
//
// g was read between t1 and t2, so at equal speed the offset guest − host lies in [g − t2, g − t1]. However
// late either side was, each exchange tells the truth; the best exchanges give the tightest bounds: L = max(g
// − t2), U = min(g − t1). The midpoint needs no assumption about symmetric delays to be within (U − L) / 2.
//
// The guest is not trusted: it may answer nothing, old numbers or nonsense. The host then gets a burst with
// fewer exchanges, an empty interval (U < L) or an absurd one; nothing else can happen to it.
#pragma once

#include <cstdint>

#include "base/units.h"
#include "clock/types.h"
#include "format/ivring.h"

namespace ivtrace::clock {

/// Stored into ping_seq by the host at the end of a burst: the guest may stop spinning.
inline constexpr std::uint64_t kPingEnd = ~0ull;

/// Guest side: answers pings by spinning until `limit` has passed or the host ends the burst; returns how
/// many it answered. An end word that stands when it is called is of an earlier burst and does not count. The
/// caller has pinned the thread to the CPU whose TSC is asked for. Bounded by `limit` whatever the host does.
std::uint64_t answer_pings(format::MailboxControl& control, Nanoseconds limit);

/// Host side: up to `exchanges` exchanges within `limit`, then ends the burst. `cpu` is only noted in the
/// result. Sequence numbers are taken from the host's TSC, so a pong of an earlier burst is not taken for an
/// answer. One caller at a time per mailbox. Bounded by `limit` whatever the guest does.
Burst run_burst(format::MailboxControl& control, std::uint64_t exchanges, Nanoseconds limit, CpuId cpu);

}  // namespace ivtrace::clock
