// USDT probes (SystemTap's <sys/sdt.h>): places of a program that its author marked, each a no-op
// instruction, and the notes that tell of them.
//
// A note's descriptor: address, address of .stapsdt.base, address of the semaphore (0: none), then three
// texts with a NUL each: provider, name, arguments. An argument is `[-]BYTES@OPERAND`, the operand as the
// assembler writes it; "-" is signed. (sourceware.org/systemtap/wiki/UserSpaceProbeImplementation)
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ivtrace::probes {

/// One place of one probe; an inlined function gives a probe several.
struct UsdtSite {
  std::string provider;
  std::string name;
  std::string arguments;  ///< as in the note
  std::uint64_t address = 0;
  std::uint64_t base = 0;
  std::uint64_t semaphore = 0;  ///< a counter that is above 0 while somebody listens; 0: the probe has none
};

/// The section .note.stapsdt. Notes of others are passed over; kCorrupt when one ends behind the section.
Result<std::vector<UsdtSite>> parse_usdt_notes(std::string_view section);

/// Where a variable is for the kernel's "@+OFFSET", or nothing when there is no such variable.
using VariablePlace = std::function<std::optional<std::uint64_t>(std::string_view name)>;

/// The kernel's expression for argument `number` (from 1) of a site; `type` as in fetch_parameter().
/// kNotFound when there are fewer; kUnsupported for operands that the kernel has no expression for.
Result<std::string> fetch_usdt_argument(const UsdtSite& site, unsigned number, std::string_view type,
                                        const VariablePlace& variable);

}  // namespace ivtrace::probes
