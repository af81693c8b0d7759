// A run may come from anywhere: what is read as an extent is in range, and is read alike when written again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "format/extent.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ivtrace::format;
  const auto read = parse_extent(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!read) return 0;
  constexpr std::uint64_t kMost = 1ull << 62;
  if (read->guest_offset > kMost || read->bytes > kMost || read->device_offset > kMost) std::abort();
  std::string line;
  append_extent(line, *read);
  line.pop_back();
  if (parse_extent(line) != read) std::abort();
  return 0;
}
