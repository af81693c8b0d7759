// The kernel's tables that turn numbers of a trace into names.
#pragma once

#include <set>
#include <string>

#include "base/result.h"
#include "tracefs/mount.h"

namespace ivtrace::tracefs {

/// /proc/kallsyms as the kernel shows it to us.
Result<std::string> kallsyms_text();
/// printk_formats: addresses of trace_printk's format strings and their texts.
Result<std::string> printk_formats_text(const TraceDir& dir);

/// The names of the machine's threads. Borrows the directory. One thread.
class TaskNames {
 public:
  /// What the kernel has noted until now is not of the recording that begins.
  explicit TaskNames(const TraceDir& dir);

  /// "tid comm\n": threads that the kernel noted for its tracers since then, also those that have ended, and
  /// then every thread that lives now. Of a tid that is there twice the later line counts. kExhausted when
  /// that is larger than 64 MiB.
  Result<std::string> text() const;

 private:
  const TraceDir* dir_;
  std::set<std::string, std::less<>> old_;  // lines
};

}  // namespace ivtrace::tracefs
