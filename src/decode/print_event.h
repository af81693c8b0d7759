// Text of any event of one machine, by the best means there are.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "decode/event_format.h"
#include "decode/field.h"
#include "decode/kallsyms.h"
#include "decode/print.h"

namespace ivtrace::decode {

class LibtraceeventPrinter;

/// How an event's text is made.
enum class PrintMethod : std::uint8_t {
  kCompiled,       ///< our own program
  kLibtraceevent,  ///< a valid print fmt with something that our compiler does not know
  kRaw,            ///< "name=value …": the print fmt is hostile, or code that only the kernel can run
};

/// Programs of all events together are kept to this; what comes later is shown raw.
inline constexpr std::size_t kMaxProgramBytes = 128u << 20;
inline constexpr std::size_t kMaxLibtraceeventEvents = 1024;

/// Renders events of one machine; compiles each print fmt at its first use. Borrows the formats that it is
/// called with: those of one machine, each with its own id, which must stay. Owns the symbols. Not
/// thread-safe.
class EventPrinter {
 public:
  explicit EventPrinter(Symbols symbols);
  ~EventPrinter();
  EventPrinter(EventPrinter&&) noexcept;
  EventPrinter& operator=(EventPrinter&&) noexcept;

  /// Appends the record's text. Never fails: a record that is too short is shown raw, with "?" for what is
  /// missing.
  void render(const EventFormat& format, RecordBytes record, TextMode mode, std::string& out);
  PrintMethod method(const EventFormat& format);

  const Symbols& symbols() const { return symbols_; }

 private:
  struct Entry;

  Entry& entry(const EventFormat& format);
  void prepare(const EventFormat& format, Entry& entry);
  bool render_bprint(const EventFormat& format, RecordBytes record, std::string& out) const;

  Symbols symbols_;
  std::vector<std::unique_ptr<Entry>> entries_;  // by id
  std::size_t program_bytes_ = 0;
  std::unique_ptr<LibtraceeventPrinter> libtraceevent_;
  std::size_t libtraceevent_events_ = 0;
};

}  // namespace ivtrace::decode
