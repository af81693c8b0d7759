// System calls of one machine, and what those that move a file's bytes tell of them.
//
// Source: the kernel's syscalls/sys_enter_NAME and sys_exit_NAME, whose fields are the call's arguments, and
// raw_syscalls/sys_enter and sys_exit with a number (arch/x86/entry/syscalls/syscall_64.tbl) and six words.
#pragma once

#include <cstdint>
#include <vector>

#include "decode/field.h"
#include "decode/format_file.h"

namespace ivtrace::model {

/// Recognises the beginnings and ends of calls. Constant after construction; borrows the formats. Any thread.
class SyscallEvents {
 public:
  /// `formats` may be nullptr or lack events: those are then never seen.
  explicit SyscallEvents(const decode::FormatTable* formats);

  enum class Step : std::uint8_t { kOther, kEnter, kExit };
  /// kSubmit: io_submit and io_uring_enter, which hand over reads and writes and do not wait for them.
  enum class Kind : std::uint8_t { kOther, kRead, kWrite, kSubmit };
  struct Seen {
    Step step = Step::kOther;
    Kind kind = Kind::kOther;
    std::int32_t thread = 0;
    std::uint64_t offset = 0;  ///< kRead and kWrite entered: in the file
    std::uint64_t handed = 0;  ///< kSubmit entered: how many reads and writes
    std::int64_t result = 0;   ///< exited
  };
  Seen look(std::uint16_t id, decode::RecordBytes record) const;

 private:
  struct Known {
    Step step = Step::kOther;
    Kind kind = Kind::kOther;
    const decode::Field* number = nullptr;     ///< raw: which call it is
    const decode::Field* arguments = nullptr;  ///< raw
    const decode::Field* offset = nullptr;
    const decode::Field* handed = nullptr;
    const decode::Field* result = nullptr;
  };
  static Known known(const decode::EventFormat& format);
  static void read_raw(const Known& known, decode::RecordBytes record, Seen& seen);

  std::vector<Known> known_;  ///< by event id
};

}  // namespace ivtrace::model
