// The files of patterns/, as they were when the program was built.
#pragma once

#include <span>
#include <string_view>

namespace ivtrace::patterns {

struct EmbeddedPattern {
  std::string_view name;
  std::string_view text;
};
/// By name.
std::span<const EmbeddedPattern> embedded_patterns();

}  // namespace ivtrace::patterns
