// The kernel's top-level trace buffer, for what reaches no other one: trace_printk() before Linux 6.12.
//
// It belongs to everybody, so it is borrowed: only while nobody else uses it, with its settings written down
// before the first is changed, and put back at the end. The file with the settings is locked as long as the
// borrower lives (flock(2)); one that is there without a lock is a dead borrower's, and the next one, or
// whoever cleans up, puts back what it tells.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tracefs/instance.h"
#include "tracefs/mount.h"

namespace ivtrace::tracefs {

/// What it is called where instances are called by their names.
inline constexpr const char* kTopLevelName = "top-level";
/// Where its settings are kept meanwhile.
inline constexpr const char* kTopLevelState = "/run/ivtrace/top-level";

/// The settings that a recording changes.
struct TopLevelSettings {
  std::string clock;
  std::uint64_t buffer_kb = 0;  ///< per CPU
  std::string buffer_percent;   ///< empty: this kernel has no such setting
  bool tracing_on = true;
};

std::string encode_settings(const TopLevelSettings& settings);
/// kCorrupt when one is missing or makes no sense.
Result<TopLevelSettings> decode_settings(std::string_view text);

/// The top-level buffer with tracing off and nothing enabled, as Instance::create() gives a private one. Its
/// remove(), or destructor, puts everything back. kBusy, with what it is that somebody does with it, when it
/// is in use.
Result<Instance> take_top_level(const TraceDir& dir, const std::string& state_file = kTopLevelState);

/// The top-level buffer as a dead borrower left it, to save what it holds; remove() puts everything back.
/// kNotFound when nobody left it, kBusy when the borrower lives.
Result<Instance> adopt_top_level(const TraceDir& dir, const std::string& state_file = kTopLevelState);

/// Puts back what a dead borrower changed. True when there was something to put back; a living one is left
/// alone.
Result<bool> restore_top_level(const TraceDir& dir, const std::string& state_file = kTopLevelState);

/// Why the buffer at `dir_fd` is in use, with what to do; success when it is free.
Status check_free(int dir_fd);

}  // namespace ivtrace::tracefs
