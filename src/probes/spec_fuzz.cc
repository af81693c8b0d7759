// Any text as a probe: a refusal, or words that cannot end a command of the kernel.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "probes/spec.h"

namespace {

bool is_word(const std::string& text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ivtrace::probes;
  const auto spec = parse_spec(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!spec) return 0;
  IVT_CHECK(is_word(spec->path) && is_word(spec->symbol) && is_word(spec->provider));
  IVT_CHECK(spec->arguments.size() <= kMaxArguments);
  IVT_CHECK(!is_user(spec->kind) || spec->path.starts_with('/'));
  for (const Argument& argument : spec->arguments) {
    IVT_CHECK(is_word(argument.fetch) && is_word(argument.type));
    IVT_CHECK(identifier_of(argument.name) == argument.name);
  }
  return 0;
}
