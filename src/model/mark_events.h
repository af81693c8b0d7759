// Which events of a machine are marks of programs: those that travel as text (mark:begin), and those of USDT
// probes on the same points of include/ivtrace/mark.h (usdt:begin of the provider ivtrace).
#pragma once

#include <cstdint>
#include <unordered_map>

#include "decode/field.h"
#include "decode/format_file.h"
#include "decode/integer_reader.h"
#include "run/run_reader.h"

namespace ivtrace::model {

enum class MarkKind : std::uint8_t { kBegin, kEnd, kInstant, kCounter };

/// An event and its fields. Borrows the formats.
struct MarkEvent {
  MarkKind kind = MarkKind::kBegin;
  bool probed = false;  ///< a USDT probe's: it names neither process nor thread
  decode::IntegerReader tgid, tid, value;
  const decode::Field* name = nullptr;
};

/// By the event's id. Which probes are of our provider tells what was asked for: one whose provider is a
/// pattern may be anybody's, and is no mark.
std::unordered_map<std::uint16_t, MarkEvent> mark_events(const run::Machine& machine,
                                                         const decode::FormatTable& formats);

}  // namespace ivtrace::model
