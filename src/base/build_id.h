// Which build of itself a program is.
#pragma once

#include <string>

namespace ivtrace {

/// What the linker has put into the running program to tell it from any other build of it, in hexadecimal;
/// "" when it has not. Stripping does not change it.
const std::string& build_id();

}  // namespace ivtrace
