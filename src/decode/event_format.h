// Event formats: what the kernel's `events/<system>/<event>/format` files say of a record's layout.
//
// The text may come from a guest and is not trusted. The parser takes a bounded amount of it, and what it
// returns says only what the text claims: whether a field lies within a particular record is checked where
// the record is read (decode/field.h). Source of the grammar: kernel/trace/trace_events.c, f_show().
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ivtrace::decode {

inline constexpr std::size_t kMaxFormatText = 1u << 20;
inline constexpr std::size_t kMaxFields = 512;
inline constexpr std::size_t kMaxFieldName = 256;
inline constexpr std::size_t kMaxFieldLine = 1280;

/// How a field's bytes are to be read.
enum class FieldKind : std::uint8_t {
  kInteger,    ///< 1, 2, 4 or 8 bytes, little-endian
  kPointer,    ///< an address, 8 bytes (4 on a 32-bit guest)
  kCharArray,  ///< `char x[N]`: text up to its NUL or end
  kArray,      ///< `T x[N]`: count elements of element_size bytes
  kDataLoc,    ///< `__data_loc T[] x`: a u32, length << 16 | offset from the record's start
  kRelLoc,     ///< `__rel_loc T[] x`: a u32, length << 16 | offset from the field's own end
  kTail,       ///< `T x[]` with size 0: everything from offset to the record's end
  kOpaque,     ///< a struct, or an integer of a size that no integer has: bytes
};

/// One field of an event. A plain value; owns its texts.
struct Field {
  std::string name;  ///< "prev_comm"
  std::string type;  ///< as declared, without name and brackets: "char", "unsigned long", "struct foo *"
  std::uint32_t offset = 0;  ///< from the record's start
  std::uint32_t size = 0;    ///< bytes at `offset` (of the locator, for kDataLoc and kRelLoc); 0 for kTail
  bool is_signed = false;    ///< of the value or the elements, as the kernel says
  FieldKind kind = FieldKind::kInteger;
  bool is_text = false;  ///< elements are `char`, of whatever kind the field is
  std::uint32_t element_size =
      0;  ///< bytes of one element (arrays of any kind), else `size`; never 0 but for size 0
  std::uint32_t count = 1;  ///< elements of a kCharArray or kArray, else 1

  bool is_dynamic() const { return kind == FieldKind::kDataLoc || kind == FieldKind::kRelLoc; }
  /// True for arrays of any kind, fixed or dynamic.
  bool is_array() const {
    return kind != FieldKind::kInteger && kind != FieldKind::kPointer && kind != FieldKind::kOpaque;
  }
};

/// One event's format. A plain value; owns its texts.
struct EventFormat {
  std::uint16_t id = 0;       ///< common_type of its records
  std::string system;         ///< "sched"
  std::string name;           ///< "sched_switch"
  std::vector<Field> common;  ///< common_type, common_flags, common_preempt_count, common_pid, …
  std::vector<Field> fields;  ///< the event's own
  std::string print_fmt;      ///< the text behind "print fmt: ", unparsed; may be empty

  /// The field of that name, the event's own before the common ones, or nullptr.
  const Field* find(std::string_view field_name) const;
  /// "sched:sched_switch"
  std::string full_name() const { return system + ":" + name; }
};

/// Parses one format file. Errors are kCorrupt and name the system and the offending line.
Result<EventFormat> parse_event_format(std::string_view text, std::string_view system);

}  // namespace ivtrace::decode
