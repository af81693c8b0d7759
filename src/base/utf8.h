// Which bytes are UTF-8, and how those that are none are replaced.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ivtrace {

/// Length of the valid UTF-8 sequence that starts `text`, which is not empty; 0 when there is none.
std::size_t utf8_length(std::string_view text);
/// Appends `text` as it is, but for bytes that are not UTF-8: each becomes U+FFFD.
void append_utf8(std::string& out, std::string_view text);

}  // namespace ivtrace
