// printf's integer conversions and padding, on a growing string.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "decode/print_code.h"

namespace ivtrace::decode {

/// Appends `value` as `format` says (C17 7.21.6.1). For 'd' it is sign-extended, for the others cut to its
/// type.
void append_number(std::string& out, const NumberFormat& format, std::uint64_t value);

/// Pads out[from…] with blanks to `width`, on its right side if `left`.
void pad_text(std::string& out, std::size_t from, std::size_t width, bool left);

/// Appends lowercase hexadecimal digits, at least `digits` (≤ 16) of them.
void append_hex(std::string& out, std::uint64_t value, unsigned digits = 1);

/// Appends an unsigned decimal number.
void append_decimal(std::string& out, std::uint64_t value);

}  // namespace ivtrace::decode
