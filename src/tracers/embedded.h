// The file of tapset/, as it was when the program was built.
#pragma once

#include <string_view>

namespace ivtrace::tracers {

std::string_view embedded_tapset();

}  // namespace ivtrace::tracers
