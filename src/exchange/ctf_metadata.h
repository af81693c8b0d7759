// The metadata of a CTF trace: text in TSDL (CTF 1.8, chapter 7) that declares all that is in its streams.
//
// Every field is aligned to a byte and little-endian, so streams have no padding. An event's id is the
// kernel's common_type; our own events have ids that no kernel gives.
//
// Times are nanoseconds since the Unix epoch, by the host's clock, and the clock says that it is absolute:
// that is all that a reader needs to merge the machines' traces. Each machine's clock has a UUID of its own
// nevertheless, since Trace Compass takes traces with one clock UUID for those of one machine and would mix
// their threads and CPUs.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "exchange/ctf_event.h"

namespace ivtrace::exchange {

using CtfUuid = std::array<std::uint8_t, 16>;

/// The same for the same text, and no other's.
CtfUuid ctf_uuid(std::string_view text);

inline constexpr std::uint32_t kCtfMagic = 0xc1fc1fc1;
inline constexpr std::uint32_t kCtfStreamId = 0;
/// An event of unknown format, or a record that does not hold what its format says. No kernel has an event 0.
inline constexpr std::uint32_t kCtfUnreadable = 0;
/// A hole: its place is where events go on. The kernel's ids have 16 bits.
inline constexpr std::uint32_t kCtfLoss = 0x10000;

/// Whose trace it is.
struct CtfTrace {
  std::string machine;  ///< a valid machine name
  std::string kind;     ///< host or guest
  std::string kernel_release;
  CtfUuid uuid{};
  CtfUuid clock{};
};

/// An event of the trace, by its id in CtfEvents. Borrows.
struct CtfEventEntry {
  std::string name;
  const CtfEvent* fields = nullptr;
};
using CtfEvents = std::map<std::uint32_t, CtfEventEntry>;

/// Texts of the trace and names of events may be hostile.
std::string ctf_metadata(const CtfTrace& trace, const CtfEvents& events);

}  // namespace ivtrace::exchange
