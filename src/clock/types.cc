#include "clock/types.h"

#include <array>
#include <utility>

namespace ivtrace::clock {
namespace {

constexpr std::array<std::pair<ClockSource, const char*>, 5> kNames{{
    {ClockSource::kNone, "none"},
    {ClockSource::kHandshake, "handshake"},
    {ClockSource::kKvmDebugfs, "kvm-debugfs"},
    {ClockSource::kKvmTracepoint, "kvm-tracepoint"},
    {ClockSource::kGiven, "given"},
}};

}  // namespace

const char* to_string(ClockSource source) {
  for (const auto& [known, name] : kNames) {
    if (known == source) return name;
  }
  return "none";
}

ClockSource clock_source_of(const std::string& name) {
  for (const auto& [source, known] : kNames) {
    if (name == known) return source;
  }
  return ClockSource::kNone;
}

}  // namespace ivtrace::clock
