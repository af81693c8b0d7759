// The conversions of a printf format, as the kernel's vsnprintf() reads them (lib/vsprintf.c,
// format_decode()).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "decode/print_code.h"

namespace ivtrace::decode {

/// One %… of a format.
struct Conversion {
  NumberFormat format;  ///< conversion also 's', 'p' or '%'
  bool width_argument = false;
  bool precision_argument = false;
  std::uint8_t bytes = 4;      ///< of the number, by the length modifier
  std::string_view extension;  ///< the letters behind %p, "" for none; borrows from the format
};

/// Reads the conversion that starts behind the '%' at `position` and moves `position` behind it. kCorrupt
/// when it is cut off, too wide, or none that the kernel prints.
Result<Conversion> parse_conversion(std::string_view format, std::size_t& position);

}  // namespace ivtrace::decode
