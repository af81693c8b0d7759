// One kernel event as a CTF event: the declaration of its fields, and the fields of each record.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "decode/event_format.h"
#include "decode/field.h"

namespace ivtrace::exchange {

/// The fields of one event format, as TSDL declares them. Borrows the format. Immutable, any thread. Formats
/// and records come from the recorded machine and are not trusted: every name becomes a valid identifier that
/// no other field of the event has, and a record that does not hold what its format says is refused.
///
/// Integers and addresses keep size and sign; text becomes a string of UTF-8 that ends at its first zero
/// byte; other arrays stay arrays, or sequences where the record tells their length; what has no type becomes
/// bytes.
class CtfEvent {
 public:
  explicit CtfEvent(const decode::EventFormat& format);

  /// The declarations, one a line, with two tabs before each.
  void append_declarations(std::string& out) const;
  /// The fields' bytes, each aligned to a byte. False when the record lacks some: `out` is then as it was.
  bool append_payload(std::string& out, decode::RecordBytes record) const;

 private:
  enum class Layout : std::uint8_t { kInteger, kText, kArray, kSequence };
  struct Entry {
    const decode::Field* field;
    Layout layout;
    std::uint32_t element;  ///< bytes of one; 0: it has no type and is written as bytes
    std::string name;       ///< with the underscore that readers take away
    std::string length;     ///< kSequence: the name of the field that counts its elements
  };

  static Layout layout_of(const decode::Field& field);
  static std::uint32_t element_of(const decode::Field& field, Layout layout);
  static bool append_field(std::string& out, decode::RecordBytes record, const Entry& entry);
  static bool append_sequence(std::string& out, decode::RecordBytes record, const Entry& entry);

  std::vector<Entry> entries_;
};

/// An event's name as LTTng would call it: Trace Compass knows those. Of system calls only it differs from
/// the kernel's.
std::string ctf_event_name(const decode::EventFormat& format);
/// A field's name as LTTng would call it: of the scheduler's events, what the kernel calls a pid is a tid.
std::string ctf_field_name(const decode::EventFormat& format, const decode::Field& field);

/// Appends `text` as a string literal of TSDL, with its quotes. Nothing of it can end the literal or act on a
/// terminal.
void append_tsdl_string(std::string& out, std::string_view text);

}  // namespace ivtrace::exchange
