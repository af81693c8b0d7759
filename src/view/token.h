// The secret in the viewer's address: who does not know it gets nothing.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace ivtrace::view {

inline constexpr std::size_t kTokenLength = 32;

/// Letters and digits, each as likely as any other, from getrandom(2): some 190 bits.
Result<std::string> make_token();
/// Takes as long wherever the texts differ first; their lengths are no secret.
bool is_same_secret(std::string_view given, std::string_view secret);

}  // namespace ivtrace::view
