// Which guest a host thread works for: its vCPU threads, the other threads of its QEMU, and the vhost workers
// that the kernel runs in its name.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "decode/format_file.h"
#include "decode/integer_reader.h"
#include "merge/run_events.h"
#include "model/sched_events.h"
#include "model/tid_map.h"
#include "run/run_reader.h"

namespace ivtrace::model {

/// Begins with what the journal tells and follows forks in the host's events. One thread.
class ThreadOwners {
 public:
  ThreadOwners(const run::RunReader& run, const decode::FormatTable* host_formats);

  /// Learns from a host event: a thread that a known one makes belongs to the same guest.
  void look(std::uint16_t id, decode::RecordBytes record);
  /// The guest's index in RunReader::machines(); empty for threads of the host itself.
  std::optional<std::size_t> owner(const Task& task) const;

 private:
  void set(std::int32_t thread, std::optional<std::uint32_t> machine);

  TidMap<std::optional<std::uint32_t>> by_thread_;
  std::unordered_map<std::int32_t, std::size_t> by_process_;  ///< QEMU's pid
  std::uint16_t fork_ = 0;                                    ///< the event's id, 0: not recorded
  decode::IntegerReader child_;
};

}  // namespace ivtrace::model
