// Text of an event, by its print fmt compiled once.
//
// The kernel gives each event's text as C source. compile_print() turns it into a short program that renders
// a record without allocation; what C says of widths, signs and precedence holds (libtraceevent computes
// everything in unsigned 64 bits, so the two differ where a negative number is compared, widened or shifted).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "decode/event_format.h"
#include "decode/field.h"
#include "decode/kallsyms.h"
#include "decode/print_code.h"

namespace ivtrace::decode {

/// One event's text is cut here, whatever its print fmt asks for.
inline constexpr std::size_t kMaxEventText = 64u << 10;

/// Whether a text may hold any byte that the record or format holds, or is made safe for a terminal and one
/// line.
enum class TextMode : std::uint8_t { kRaw, kTerminal };

/// A compiled print fmt. A plain value; owns everything it needs, also after its EventFormat is gone.
/// Immutable: rendering from several threads at once is fine.
class PrintProgram {
 public:
  /// Appends the record's text to `out`, at most kMaxEventText bytes of it (before escaping). Every byte that
  /// is read lies within `record`: one too short for the fields that its format promises gives false, and
  /// nothing is appended.
  bool render(RecordBytes record, const Symbols& symbols, TextMode mode, std::string& out) const;

  /// Bytes that a record must have at least.
  std::uint32_t min_record() const { return min_record_; }
  /// Memory that the program holds.
  std::size_t memory_bytes() const;

 private:
  friend class PrintCompiler;
  friend class PrintRenderer;

  std::vector<Piece> pieces_;
  std::vector<Instruction> code_;
  std::vector<TextSource> texts_;
  std::vector<NamedValue> entries_;
  std::string literals_;
  std::uint32_t min_record_ = 0;
};

/// Compiles an event's print fmt. Errors: kCorrupt, the text is not a print fmt or breaks a limit, and nobody
/// should look at it further; kUnsupported, it is one, but says something that this compiler does not know.
Result<PrintProgram> compile_print(const EventFormat& format);

/// Makes out[from…] safe for a terminal and one line: trailing newlines go, the rest as append_terminal_safe
/// does it.
void make_terminal_safe(std::string& out, std::size_t from);

}  // namespace ivtrace::decode
