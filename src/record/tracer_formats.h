// Formats of the events that a machine's tracers give, among the formats of its kernel's own.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"
#include "record/run_log.h"

namespace ivtrace::record {

/// Gives ids and appends to the machine's `formats` in the run. What a guest declares is checked and bounded.
/// One thread.
class TracerFormats {
 public:
  TracerFormats(std::string machine, RunLog& log) : machine_(std::move(machine)), log_(log) {}

  /// Forgets all: the machine's formats are written anew.
  void clear() { events_.clear(); }
  /// The event that a tracer's lines become; returns "kind:name", with "_text" behind it when a script has
  /// declared that one.
  std::string declare_lines(std::uint32_t tracer, const std::string& kind, const std::string& name);
  /// "NAME u64 sector; string disk", as the script of that tracer declares its event; returns "stap:NAME".
  /// Empty for one that it has declared before, and when there are too many.
  Result<std::string> declare_typed(std::uint32_t tracer, const std::string& declaration);

 private:
  struct Event {
    std::uint16_t id = 0;
    std::uint32_t tracer = 0;
    bool is_lines = false;
  };
  std::uint16_t next_id() const;
  void append(const std::string& event, const std::string& format_text);

  const std::string machine_;
  RunLog& log_;
  std::map<std::string, Event> events_;
};

}  // namespace ivtrace::record
