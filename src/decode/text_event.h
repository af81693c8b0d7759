// Texts of the kernel's ring that mean an event: from an `ftrace:print` record to the record of that event.
//
// Two grammars; what fits neither stays the text that it is:
//
//   stap:disk_issue sector=8 disk="vda"   an event of the machine's formats with an id from kTextEventIds on,
//   and its
//                                         fields in any order. Integers are decimal or 0x…, negative ones of
//                                         unsigned fields their two's complement; texts are quoted, with \"
//                                         and \\ inside. A missing field is 0 or "", one that the event does
//                                         not have is passed over. The one field `text` takes the rest of the
//                                         line.
//   B|7|name  E|7  I|7|name  C|7|name|42  marks of process 7 by the running thread, as atrace writes them:
//   mark:begin,
//                                         mark:end, mark:instant and mark:counter.
//
// Formats and texts come from guests and are not trusted: nothing is written beyond a record of
// kMaxTextRecord bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "decode/event_format.h"
#include "decode/field.h"
#include "decode/format_file.h"

namespace ivtrace::decode {

/// What a locator (u16 offset, u16 length) can tell of.
inline constexpr std::size_t kMaxTextRecord = 0xffff;

/// Appends the format files of the built-in marks, which belong to every machine's `formats`.
void append_mark_formats(std::string& formats);

/// The text events of one machine. Borrows its formats, which must stay. Not thread-safe.
class TextEvents {
 public:
  explicit TextEvents(const FormatTable& formats);

  /// common_type of the records to be translated; 0 when the machine has no print events or no text events.
  std::uint16_t print_id() const { return text_ == nullptr ? std::uint16_t{0} : print_id_; }

  /// The record that a print record's text means, laid out as its format says and with the common fields of
  /// the print record; empty when the text means none. Only with print_id() != 0. Holds until the next call.
  RecordBytes translate(RecordBytes print);

 private:
  struct Event {
    std::uint16_t id = 0;
    std::vector<const Field*> fields;
    std::size_t size = 0;         ///< of the fixed part
    const Field* line = nullptr;  ///< the one field `text`
  };

  void add(const EventFormat& format);
  const Event* find(std::string_view full_name) const;
  bool translate_declared(RecordBytes print, std::string_view text);
  bool translate_mark(RecordBytes print, std::string_view text);
  void begin(const Event& event, RecordBytes print);
  bool put_fields(const Event& event, std::string_view text);
  bool put_integer(const Field& field, std::string_view text);
  void put_bits(const Field& field, std::uint64_t bits);
  bool put_text(const Field& field, std::string_view text);

  std::map<std::string, Event, std::less<>> events_;  ///< by system:name
  const Field* text_ = nullptr;                       ///< of the print event
  std::uint16_t print_id_ = 0;
  std::vector<std::byte> record_;
};

}  // namespace ivtrace::decode
