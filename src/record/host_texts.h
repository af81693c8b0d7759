// What is needed to read the host's events later: formats, symbols, names of tasks.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "record/run_log.h"
#include "run/journal.h"
#include "tracefs/mount.h"

namespace ivtrace::record {

/// "pid comm\n" of every task now, threads included.
std::string task_names();
/// Writes formats, kallsyms, printk_formats and the task names of this moment to the host's folder.
Status save_host_texts(RunLog& log, const tracefs::TraceDir& dir, std::span<const std::string> events);
/// Adds the tasks that came meanwhile.
Status save_late_task_names(RunLog& log, const std::string& early);
/// The host as the journal tells of it.
run::MachineRecord describe_host();
/// TSC frequency measured by two anchors; 0 when they are too close.
std::uint64_t tsc_khz_between(const clock::Anchor& first, const clock::Anchor& last);

}  // namespace ivtrace::record
