// Base64 (RFC 4648, section 4) with padding.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ivtrace {

std::string base64_encode(std::span<const std::byte> bytes);
/// kCorrupt for anything that is no whole encoding.
Result<std::string> base64_decode(std::string_view text);

}  // namespace ivtrace
