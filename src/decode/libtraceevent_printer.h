// Text by libtraceevent: the fallback for print fmts that are valid but beyond our compiler, and the tests'
// reference.
//
// Debian's 1.7.1 trusts its input: it divides by zero, follows lengths and indexes out of the record, uses
// fields that it did not find, and recurses as deep as the text nests. So of a guest's format it sees only
// what libtraceevent_text.h writes anew, and records that hold every field, in a buffer with enough zeroes
// behind them for any locator.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "decode/event_format.h"
#include "decode/field.h"
#include "decode/kallsyms.h"

namespace ivtrace::decode {

/// One machine's events in libtraceevent. Not thread-safe, not even for rendering.
class LibtraceeventPrinter {
 public:
  LibtraceeventPrinter();
  ~LibtraceeventPrinter();
  LibtraceeventPrinter(const LibtraceeventPrinter&) = delete;
  LibtraceeventPrinter& operator=(const LibtraceeventPrinter&) = delete;

  /// Checks the format and hands it over. kCorrupt or kUnsupported when libtraceevent must not see it, or
  /// could not parse it. Adding an event a second time is harmless.
  Status add(const EventFormat& format);
  /// As add(), for a format that is trusted (the machine's own, fixtures of tests): only its syntax is
  /// checked.
  Status add_trusted(const EventFormat& format);
  /// Names for %pS and texts for pointers, before the first render().
  void add_symbol(std::uint64_t address, const std::string& name);

  /// Appends the text of a record of an added event. False, and nothing appended, when the record does not
  /// hold all fields of its format or is larger than any that the kernel writes.
  bool render(const EventFormat& format, RecordBytes record, std::string& out);

 private:
  struct State;

  Status parse(const EventFormat& format, const std::string& text);

  std::unique_ptr<State> state_;
};

}  // namespace ivtrace::decode
