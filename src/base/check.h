// Assertions that stay on in release: a broken invariant stops the program before it writes something wrong.
#pragma once

namespace ivtrace {

/// Prints the failed condition and its place to standard error and aborts.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace ivtrace

#define IVT_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::ivtrace::check_failed(#condition, __FILE__, __LINE__))
