// QMP replies come from a QEMU that its guest may have taken over.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "hypervisor/qmp_facts.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ivtrace::hypervisor;
  const auto reply =
      nlohmann::json::parse(std::string_view(reinterpret_cast<const char*>(data), size), nullptr, false);
  vcpus_of(reply);
  merge_disks(disks_of(reply), disks_of(reply));
  children_of(reply, "/machine", "ivshmem-plain");
  text_of(reply);
  text_of(reply, "name");
  return 0;
}
