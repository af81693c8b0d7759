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
  std::vector<Disk> disks;
  for (const QmpDisk& found : disks_of(reply)) disks.push_back(found.disk);
  merge_disks(disks, disks);
  group_limits_of(reply);
  children_of(reply, "/machine", "ivshmem-plain");
  text_of(reply);
  text_of(reply, "name");
  return 0;
}
