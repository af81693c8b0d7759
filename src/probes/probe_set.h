// Dynamic probes of one recording: made in the kernel, and removed from it.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "format/mailbox_message.h"
#include "probes/resolve.h"
#include "probes/tracefs_events.h"
#include "tracefs/mount.h"

namespace ivtrace::probes {

/// Owns the events that it made; the destructor removes them. They exist for the whole kernel, but nothing is
/// recorded until an instance enables them, and while one does they cannot be removed: instances go first.
/// Borrows `dir`. One thread at a time.
class ProbeSet {
 public:
  /// `owner` is in the events' names: whoever finds them later looks whether it lives.
  ProbeSet(const tracefs::TraceDir& dir, std::int32_t owner) : events_(dir), owner_(owner) {}
  ProbeSet(const ProbeSet&) = delete;
  ProbeSet& operator=(const ProbeSet&) = delete;
  ~ProbeSet() { static_cast<void>(remove()); }

  /// Resolves and makes each; what became of it is a state, or for USDT's globs several.
  void add(std::span<const std::string> specs);
  /// In the order of add().
  const std::vector<format::ProbeState>& states() const { return states_; }
  /// How often each of the states' probes was hit and could not be recorded, as of the last count_missed().
  const std::vector<std::uint64_t>& missed() const { return missed_; }
  /// The kernel's names of what was made, "ivtrace_12_kprobe:vfs_read", for tracefs::Instance::set_events().
  std::vector<std::string> kernel_events() const;
  /// What set_events() refused, "ivtrace_12_kprobe:vfs_read: reason": these probes have failed. Returns what
  /// is not about them.
  std::vector<std::string> note_refused(const std::vector<std::string>& refused);
  /// Asks the kernel how often each of them was hit and could not be recorded.
  void count_missed();
  /// While an instance still uses one it is tried again for up to two seconds.
  Status remove();

 private:
  struct Made {
    Kind kind;
    std::string event;
    std::size_t state;  ///< its place in states_
  };

  void add_spec(const std::string& text);
  void fail(const std::string& text, const Error& error);
  void make(const std::string& text, const Definition& definition);
  Error why_not(const Definition& definition, const Error& refused);
  std::string free_name(Kind kind, const std::string& wanted) const;

  TracefsEvents events_;
  std::int32_t owner_;
  Resolver resolver_;
  std::vector<Made> made_;
  std::vector<format::ProbeState> states_;
  std::vector<std::uint64_t> missed_;
};

/// What a dead ivtrace left, its instances being gone already.
struct Leftovers {
  std::vector<std::string> removed;   ///< "kprobe:vfs_read of 1234"
  std::vector<std::string> problems;  ///< one line each
};
/// Removes the probes of ours whose owner is dead, or was of this very process' pid.
Leftovers remove_leftovers(const tracefs::TraceDir& dir);

}  // namespace ivtrace::probes
