// Base64 comes from guest agents.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "base/base64.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ivtrace;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto bytes = base64_decode(text);
      bytes && base64_encode(std::as_bytes(std::span(*bytes))).size() != size)
    std::abort();
  if (base64_decode(base64_encode(std::as_bytes(std::span(data, size)))).value() != text) std::abort();
  return 0;
}
