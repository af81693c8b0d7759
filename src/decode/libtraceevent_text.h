// An event's format in the words that libtraceevent can be trusted with.
#pragma once

#include <string>

#include "base/result.h"
#include "decode/event_format.h"

namespace ivtrace::decode {

/// The format file that libtraceevent may read in place of a guest's own: fields and print fmt written anew
/// from what our parsers understood, every operation in parentheses. kCorrupt when the print fmt is none;
/// kUnsupported when it says something that libtraceevent 1.7.1 does not survive, be it while parsing or with
/// some record.
Result<std::string> text_for_libtraceevent(const EventFormat& format);

/// The format file as the kernel gave it, for formats that nobody made up. kUnsupported for names with
/// strange characters.
Result<std::string> original_format_text(const EventFormat& format);

}  // namespace ivtrace::decode
