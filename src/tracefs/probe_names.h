// Names of the events that dynamic probes make. In the kernel their group is "ivtrace_<pid>_<kind>", so that
// everybody can tell whose they are and whether their owner lives; recorded they are of the system "<kind>".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ivtrace::tracefs {

struct ProbeGroup {
  std::int32_t pid = 0;
  std::string kind;
};

/// "ivtrace_12_kprobe".
std::string probe_group_name(const ProbeGroup& group);
/// Nothing when it is no group of ours.
std::optional<ProbeGroup> parse_probe_group(std::string_view name);

/// "kprobe" of "ivtrace_12_kprobe"; any other system as it is.
std::string recorded_system(std::string_view system);
/// "kprobe:vfs_read" of "ivtrace_12_kprobe:vfs_read"; any other event as it is.
std::string recorded_event(std::string_view event);
std::vector<std::string> recorded_events(const std::vector<std::string>& events);

}  // namespace ivtrace::tracefs
