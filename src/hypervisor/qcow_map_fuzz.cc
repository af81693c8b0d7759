// qemu-img's replies speak of images that guests write. One line is the reply of map, the next that of info.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "hypervisor/qcow_map.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ivtrace::hypervisor;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(text.find('\n'), size);
  const auto backing = backing_file_of(nlohmann::json::parse(text.substr(line), nullptr, false));
  const std::vector<std::string> files = {"/top", backing && *backing ? (*backing)->path : "/base"};
  const auto map = qcow_map_of(nlohmann::json::parse(text.substr(0, line), nullptr, false), files);
  if (!map) return 0;
  std::uint64_t end = 0;
  for (const ImageStretch& stretch : map->stretches) {
    if (stretch.guest_offset < end || stretch.file >= files.size()) std::abort();
    end = stretch.guest_offset + stretch.bytes;
    if (end < stretch.guest_offset || stretch.file_offset + stretch.bytes < stretch.bytes) std::abort();
  }
  return 0;
}
