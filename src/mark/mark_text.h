// A mark's text, for marks that belong to another thread than the one that writes them: each mark of a script
// is written by a process of its own, which atrace's syntax cannot tell.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ivtrace::mark {

/// Bytes of a name that are kept, as in include/ivtrace/mark.h.
inline constexpr std::size_t kMaxName = 240;

/// `mark:begin tgid=7 tid=7 name="…"` and a newline: `event` with its fields (format/text_event.h), of
/// process and thread `pid`. The name is cut to kMaxName bytes, not within a character of UTF-8; control
/// characters become `_`.
std::string mark_text(std::string_view event, std::int32_t pid, const std::optional<std::string_view>& name,
                      const std::optional<std::int64_t>& value = {});

}  // namespace ivtrace::mark
