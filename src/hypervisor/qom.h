// QEMU's object tree (QOM) as far as a ring's way into a guest needs it. Replies are not believed about
// types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "hypervisor/monitor.h"

namespace ivtrace::hypervisor {

/// "" when there is no such property, or when it is no text.
Result<std::string> qom_text(MonitorConnection& monitor, const std::string& path,
                             const std::string& property);
/// Nothing when there is no such property, or when it is no such number.
Result<std::optional<std::uint64_t>> qom_number(MonitorConnection& monitor, const std::string& path,
                                                const std::string& property);
/// Whether `parent` has a child of that name.
Result<bool> qom_has(MonitorConnection& monitor, const std::string& parent, const std::string& name);

/// The bus that a ring of `bytes` can be plugged into: pci.0 of machine type pc, a free root port of q35.
/// kUnsupported, with a hint, when there is none. Changes nothing.
Result<std::string> find_ring_bus(MonitorConnection& monitor, std::uint64_t bytes);

}  // namespace ivtrace::hypervisor
