// The framing of a machine's `formats` text (decode/format_file.h), file by file.
#pragma once

#include <string_view>

#include "base/result.h"

namespace ivtrace::decode {

/// One file of such a text. Borrows it.
struct FormatFile {
  std::string_view name;
  std::string_view content;
};

/// Takes the first file off a text that is not empty. kCorrupt, and nothing is taken, when its framing is
/// broken.
Result<FormatFile> take_format_file(std::string_view& text);

}  // namespace ivtrace::decode
