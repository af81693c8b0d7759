// Events that travel as text: what a machine's `formats` say of them.
//
// SystemTap's ftrace() and writers of trace_marker can only put text into the kernel's ring (ftrace:print).
// Some texts mean an event with fields (docs/adr/0013). Such an event has a format like the kernel's own, in
// the machine's `formats`, with an id that no kernel gives; readers translate (decode/text_event.h),
// recorders declare.
//
// A declaration of fields is `u64 sector; string disk`: a type and a name each. Types are u8, u16, u32, u64,
// s8, s16, s32, s64, x8, x16, x32, x64 (shown in hexadecimal) and string. An event whose one field is `string
// text` takes the whole text behind its name.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ivtrace::format {

/// Ids from here on are text events'. Kernels count theirs up from about 20 and have some thousands.
inline constexpr std::uint16_t kTextEventIds = 0xe000;
/// Ids before this one are for the events that are built in; those that a script declares come from here on.
inline constexpr std::uint16_t kDeclaredEventIds = kTextEventIds + 16;

inline constexpr std::size_t kMaxTextEventFields = 32;
inline constexpr std::size_t kMaxTextEventName = 64;
inline constexpr std::size_t kMaxTextEventDeclaration = 4096;

/// The marks of programs, as atrace writes them: `B|7|name`, `E|7`, `I|7|name`, `C|7|name|42`. Every machine
/// has them, declared by the reader; their ids are kTextEventIds and its successors. `tid` is the thread that
/// a mark belongs to: the one that wrote it, unless the text says another one, as it does for scripts, each
/// of whose marks is written by a process of its own.
inline constexpr std::string_view kMarkSystem = "mark";
struct BuiltInTextEvent {
  std::string_view name;
  std::string_view fields;
};
inline constexpr std::array kMarkEvents{
    BuiltInTextEvent{"begin", "s32 tgid; s32 tid; string name"},
    BuiltInTextEvent{"end", "s32 tgid; s32 tid"},
    BuiltInTextEvent{"instant", "s32 tgid; s32 tid; string name"},
    BuiltInTextEvent{"counter", "s32 tgid; s32 tid; string name; s64 value"},
};
static_assert(kTextEventIds + kMarkEvents.size() <= kDeclaredEventIds);

/// The text of a format file as the kernel would write it, which belongs into `formats` as
/// `SYSTEM/NAME/format`. `id` is one of kTextEventIds and above; system and event names, as field names, are
/// C identifiers. Texts lie behind the fixed fields (`__data_loc`). kInvalid when the declaration makes no
/// sense; its text may come from a guest and is escaped in the message.
Result<std::string> text_event_format(std::uint16_t id, std::string_view name, std::string_view fields);

/// A C identifier of at most kMaxTextEventName characters: what a declared system or event may be called.
bool valid_text_event_name(std::string_view name);

}  // namespace ivtrace::format
