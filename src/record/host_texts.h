// What is needed to read the host's events later: formats, symbols, names of tasks.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "record/run_log.h"
#include "run/journal.h"
#include "tracefs/mount.h"
#include "tracefs/texts.h"

namespace ivtrace::record {

/// Writes formats, kallsyms and printk_formats to the host's folder.
Status save_host_texts(RunLog& log, const tracefs::TraceDir& dir, std::span<const std::string> events);
/// The names of the host's tasks, at the beginning of a recording and at its end. Borrows the directory.
class HostTaskNames {
 public:
  explicit HostTaskNames(const tracefs::TraceDir& dir) : names_(dir) {}
  /// Writes the names of now behind those that were written before; of a task that is there twice the later
  /// line counts.
  Status save(RunLog& log);

 private:
  tracefs::TaskNames names_;
  std::string told_;
};
/// The host as the journal tells of it.
run::MachineRecord describe_host();
/// TSC frequency measured by two anchors; 0 when they are too close.
std::uint64_t tsc_khz_between(const clock::Anchor& first, const clock::Anchor& last);

}  // namespace ivtrace::record
