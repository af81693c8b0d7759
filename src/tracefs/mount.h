// Getting at tracefs without changing the machine.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace ivtrace::tracefs {

/// A mount of `fs_type` that stands in no mount table and that vanishes with the descriptor: its root
/// directory (fsopen(2), fsmount(2); Linux ≥ 5.2). Needs root.
Result<UniqueFd> mount_detached(const std::string& fs_type);

/// The root directory of tracefs. Owns a descriptor of it; where tracefs is mounted that mount is used,
/// elsewhere a detached one, so that nobody has to mount anything first and nothing is to be undone. Movable;
/// its const functions may be called by several threads.
class TraceDir {
 public:
  /// kPermission (not root, lockdown) or kUnsupported (kernel without tracing), each with a hint.
  static Result<TraceDir> open();

  int fd() const { return fd_.get(); }
  /// "/sys/kernel/tracing", or "a private mount of tracefs": for people.
  const std::string& where() const { return where_; }

 private:
  TraceDir(UniqueFd fd, std::string where) : fd_(std::move(fd)), where_(std::move(where)) {}

  UniqueFd fd_;
  std::string where_;
};

}  // namespace ivtrace::tracefs
