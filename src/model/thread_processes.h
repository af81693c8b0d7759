// Which process a thread of a machine belongs to, for events that only tell the thread.
#pragma once

#include <cstdint>

#include "decode/format_file.h"
#include "decode/integer_reader.h"
#include "model/tid_map.h"

namespace ivtrace::model {

/// Follows how threads and processes begin (task:task_newtask, which is in every profile). What began before
/// the recording is not known. Of one machine; one thread.
class ThreadProcesses {
 public:
  /// `formats`: nullptr when the machine has none.
  explicit ThreadProcesses(const decode::FormatTable* formats);

  /// Learns from an event of the machine.
  void look(std::uint16_t id, decode::RecordBytes record);
  /// Its number in the machine; 0: not known.
  std::int32_t process(std::int32_t tid) const;

 private:
  std::uint16_t begun_ = 0;  ///< the event's id, 0: not recorded
  decode::IntegerReader child_, flags_;
  TidMap<std::int32_t> processes_;
};

}  // namespace ivtrace::model
