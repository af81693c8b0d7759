// Which events there are, which are wanted, and how they are laid out.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tracefs/mount.h"

namespace ivtrace::tracefs {

/// Every event of this kernel as "system:name", sorted (available_events).
Result<std::vector<std::string>> available_events(const TraceDir& dir);

/// What asked-for patterns mean on one kernel.
struct EventSelection {
  std::vector<std::string> events;    ///< "system:name", sorted, each once
  std::vector<std::string> rejected;  ///< "pattern: reason", with the nearest names
};

/// Expands patterns: "system:name" with shell globs in either part, "system:" or a bare system for all of its
/// events, or a bare name of an event in any system.
EventSelection select_events(std::span<const std::string> available, std::span<const std::string> patterns);

/// Pattern or "system:name" → the kernel's filter expression.
using Filters = std::map<std::string, std::string>;

/// Expands the patterns of filters (as select_events() does) against the events that are recorded. kInvalid
/// when one means none of them, with the nearest names; when two give one event different expressions; and
/// for common_pid in the filter of an event that interrupts can raise: see is_syscall_event().
Result<Filters> resolve_filters(std::span<const std::string> recorded, const Filters& filters);

/// A named choice of events. Patterns that a kernel does not have are no error: guests have no kvm events.
struct Profile {
  std::string name;
  std::string summary;                   ///< one line for people
  std::vector<std::string> events;       ///< for every machine
  std::vector<std::string> host_events;  ///< in addition, on a host
  std::vector<std::string>
      syscalls;  ///< system calls: on a host only QEMU's threads', so in an instance of their own
};

std::span<const Profile> profiles();
/// nullptr when there is no such profile.
const Profile* find_profile(std::string_view name);

/// True for events of system calls, the only ones that may be filtered by the calling task: a filter on
/// common_pid, set_event_pid or set_event_notrace_pid on any other event also drops the interrupts that hit
/// that task, uncounted.
bool is_syscall_event(std::string_view event);

/// The formats of `events` and of what trace_marker and trace_printk write, with header_page and
/// header_event, each as `file <name> <bytes>\n`, the bytes, `\n`. A probe of ours is there under its
/// recorded name (probe_names.h).
Result<std::string> formats_text(const TraceDir& dir, std::span<const std::string> events);

}  // namespace ivtrace::tracefs
