// The USDT points of include/ivtrace/mark.h: probes of this provider mean marks (docs/adr/0013).
#pragma once

#include <array>
#include <string_view>

namespace ivtrace::format {

inline constexpr std::string_view kMarkProvider = "ivtrace";

/// A point, and which of its arguments become the fields `name` and `value` of its event when nobody asks for
/// others; empty: it has none.
struct MarkProbe {
  std::string_view point;  ///< as the mark's event is called (kMarkEvents)
  std::string_view name;
  std::string_view value;
};
inline constexpr std::array kMarkProbes{
    MarkProbe{"begin", "arg1:string", ""},
    MarkProbe{"end", "", ""},
    MarkProbe{"instant", "arg1:string", ""},
    MarkProbe{"counter", "arg1:string", "arg2"},
};

}  // namespace ivtrace::format
