// A private tracing instance: a ring buffer of one's own, with its own events, filters and clock.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/units.h"
#include "format/mailbox_message.h"
#include "tracefs/mount.h"

namespace ivtrace::tracefs {

/// One directory of tracefs' `instances`. All settings live in it, so nothing of the machine's own tracing
/// changes and remove() undoes everything. Owns the instance: the destructor removes it, unless leave() gave
/// it up. Movable. Const functions may be called by several threads, the others by one at a time.
/// (Documentation/trace/ftrace.rst, "Instances"; Documentation/trace/events.rst.)
class Instance {
 public:
  /// Makes a new one, with tracing off. `name` must start with "ivtrace"; kBusy when it exists already.
  static Result<Instance> create(const TraceDir& dir, const std::string& name);
  /// Takes over one that exists, as it is (the leftover of a dead process).
  static Result<Instance> adopt(const TraceDir& dir, const std::string& name);
  /// The buffer at `dir`, which is no directory of `instances` and stays: remove() disables what was enabled
  /// here and calls `give_back` in place of removing it. For the top-level buffer (tracefs/top_level.h).
  static Instance borrow(UniqueFd dir, const std::string& name, std::function<Status()> give_back);
  /// Names of all instances, ours and others'.
  static Result<std::vector<std::string>> list(const TraceDir& dir);

  Instance(Instance&& other) noexcept = default;
  Instance& operator=(Instance&& other) noexcept;
  ~Instance();

  /// Stops tracing and removes the instance. While somebody still has a file of it open or mapped the kernel
  /// refuses; then it is tried again for up to two seconds, and kBusy at last.
  Status remove();
  /// Keeps the instance in the kernel when this object goes.
  void leave() { owned_ = false; }

  const std::string& name() const { return name_; }
  int dir_fd() const { return fd_.get(); }

  /// kUnsupported, with a hint, when the kernel does not offer that clock. Clears the buffer.
  Status set_clock(const std::string& clock);
  /// Size per CPU. Clears nothing; kBusy while the buffer is mapped.
  Status set_buffer_kb(std::uint64_t kb);
  /// How full a CPU's buffer must be for poll() on its trace_pipe_raw to return, 0..100.
  Status set_buffer_percent(unsigned percent);
  Status set_tracing(bool on);
  Status set_option(const std::string& option, bool on);

  /// Enables exactly these "system:name" events, in the order given, and disables all others. What the kernel
  /// refuses is returned as "system:name: reason".
  std::vector<std::string> set_events(std::span<const std::string> events);
  /// What is enabled, sorted.
  const std::vector<std::string>& events() const { return events_; }
  /// Sets or, with an empty expression, clears an event's filter. The error carries the kernel's own words.
  Status set_filter(const std::string& event, const std::string& expression);
  /// Restricts the whole instance to these threads and those of earlier calls (set_event_pid); with option
  /// event-fork the kernel adds their children and drops whoever ends. There is no way to take a thread back:
  /// that would need a moment without any filter. Only for instances that record nothing but system calls:
  /// see is_syscall_event().
  Status add_event_pids(std::span<const Tid> threads);

  /// CPUs that have a buffer here.
  Result<std::vector<CpuId>> cpus() const;
  /// A descriptor of a CPU's trace_pipe_raw, non-blocking.
  Result<UniqueFd> open_raw(CpuId cpu) const;
  /// Bytes of a sub-buffer, its 16-byte header included.
  Result<std::uint32_t> sub_buffer_bytes() const;
  /// The kernel's counters of a CPU's buffer (per_cpu/cpuN/stats); `bytes` and `stalls` are 0. While events
  /// come in they are not of one moment.
  Result<format::CpuCounters> counters(CpuId cpu) const;

 private:
  Instance(int instances_fd, UniqueFd fd, std::string name);
  Status end_loan();

  UniqueFd instances_fd_;
  UniqueFd fd_;
  std::string name_;
  std::vector<std::string> events_;
  std::vector<std::string> filtered_;  // events that were given a filter
  std::function<Status()> give_back_;  // of a borrowed buffer
  bool owned_ = true;
};

/// Parses the text of a `stats` file. kCorrupt when a counter is missing.
Result<format::CpuCounters> parse_stats(std::string_view text);

}  // namespace ivtrace::tracefs
