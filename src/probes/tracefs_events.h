// The kernel's list of dynamic events: making, removing and counting what misses.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "probes/resolve.h"
#include "tracefs/mount.h"

namespace ivtrace::probes {

/// "group" and "event" of a dynamic event.
struct EventName {
  std::string group;
  std::string event;

  bool operator<(const EventName& other) const {
    return group != other.group ? group < other.group : event < other.event;
  }
};

/// Borrows the directory. Const functions may be called by several threads.
class TracefsEvents {
 public:
  explicit TracefsEvents(const tracefs::TraceDir& dir) : dir_(&dir) {}

  /// kUnsupported, with what the kernel lacks.
  Status supports(Kind kind) const;
  /// The command for one place of an event: "p:group/event place fields…".
  static std::string command(const Definition& definition, const Site& site, const EventName& name);
  /// Gives it to the kernel; a second place of an event is added to it. The error has the kernel's own words.
  Status make(Kind kind, const std::string& command) const;
  /// kBusy while an instance has it enabled. One that is not there is fine.
  Status remove(Kind kind, const EventName& name) const;
  /// Every dynamic event, each place of it: also others'.
  std::vector<EventName> list() const;
  /// Hits that could not be recorded, of every kprobe and kretprobe, over all places of an event. The kernel
  /// counts none of the other kinds.
  std::map<EventName, std::uint64_t> missed() const;
  /// Switches the events of a group off, wherever they are on.
  void disable_everywhere(const std::string& group) const;

 private:
  bool has(const char* file) const;
  const char* control_file(Kind kind) const;
  std::string last_remark(const std::string& command) const;

  const tracefs::TraceDir* dir_;
};

/// Events in the text of dynamic_events, kprobe_events or uprobe_events, in its order.
std::vector<EventName> parse_events(std::string_view text);
/// Counts of a kprobe_profile's lines, which have no groups: in the order of kprobe_events, whose names are
/// compared. A line that does not fit is left out.
std::map<EventName, std::uint64_t> parse_profile(std::string_view profile,
                                                 const std::vector<EventName>& events);
/// The kernel's words on `command` in the text of error_log; empty when it has none.
std::string parse_error_log(std::string_view log, std::string_view command);

}  // namespace ivtrace::probes
