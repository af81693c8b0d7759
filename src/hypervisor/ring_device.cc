#include "hypervisor/ring_device.h"

#include <poll.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "hypervisor/process.h"
#include "hypervisor/qom.h"

namespace ivtrace::hypervisor {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr const char* kDevices = "/machine/peripheral";
constexpr const char* kObjects = "/objects";
constexpr const char* kLibvirtDirectory = "/dev/shm/";  ///< where it wants the files of its shmem devices
/// An id that libvirt leaves to its users begins so; its memory has the id behind a prefix of libvirt's.
constexpr const char* kUserAlias = "ua-";
constexpr const char* kLibvirtMemory = "shmmem-";
constexpr int kLookEveryMs = 50;
/// QEMU gives a device's memory free a moment after the device is gone, libvirt when it has heard of that.
constexpr std::chrono::seconds kMemoryBusy(1);
constexpr std::chrono::seconds kLibvirtMemoryBusy(5);
constexpr Nanoseconds kLibvirtLimit{10'000'000'000};  ///< of one change to a domain

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

Status must_be_mapped(const Guest& guest, const std::string& path, const std::string& proc) {
  if (has_mapped(guest.pid, path, proc)) return {};
  return Error(ErrorCode::kUnsupported,
               "what QEMU opened as " + path + " is another file: it runs in another mount namespace",
               "give the guest its ring when it is started");
}

}  // namespace

RingDevice::RingDevice(const Guest& guest) : guest_(guest), device_(kRingDeviceId), memory_(kRingMemoryId) {
  if (!guest.qmp.libvirt) return;
  device_ = std::string(kUserAlias) + kRingDeviceId;
  memory_ = kLibvirtMemory + device_;
}

std::string RingDevice::memory_object() const { return std::string(kObjects) + "/" + memory_; }

std::optional<unsigned> libvirt_bus(const std::string& bus) {
  if (!bus.starts_with("pci.")) return std::nullopt;
  const auto number = parse_u64(bus.substr(4));
  if (!number || *number > 255) return std::nullopt;
  return static_cast<unsigned>(*number);
}

std::string ring_xml(const std::string& file_name, std::uint64_t bytes, const std::string& alias,
                     unsigned bus) {
  std::string xml = "<shmem name='" + file_name + "'><model type='ivshmem-plain'/><size unit='B'>" +
                    std::to_string(bytes) + "</size><alias name='" + alias + "'/>";
  // A root port has one slot; pci.0 of machine type pc has many, and libvirt knows which ones are free.
  if (bus != 0) xml += "<address type='pci' bus='" + std::to_string(bus) + "' slot='0' function='0'/>";
  return xml + "</shmem>";
}

Status RingDevice::plug(MonitorConnection& monitor, const std::string& path, std::uint64_t bytes,
                        const std::string& bus, const std::string& proc) const {
  return guest_.qmp.libvirt ? plug_by_libvirt(path, bytes, bus, proc)
                            : plug_by_qmp(monitor, path, bytes, bus, proc);
}

Status RingDevice::plug_by_qmp(MonitorConnection& monitor, const std::string& path, std::uint64_t bytes,
                               const std::string& bus, const std::string& proc) const {
  const auto memory = monitor.execute("object-add", dump({{"qom-type", "memory-backend-file"},
                                                          {"id", memory_},
                                                          {"share", true},
                                                          {"size", bytes},
                                                          {"mem-path", path}}));
  if (!memory) return memory.error();
  IVT_RETURN_IF_ERROR(must_be_mapped(guest_, path, proc));
  const auto device = monitor.execute(
      "device_add", dump({{"driver", "ivshmem-plain"}, {"id", device_}, {"memdev", memory_}, {"bus", bus}}));
  return device ? Status() : device.error();
}

Status RingDevice::plug_by_libvirt(const std::string& path, std::uint64_t bytes, const std::string& bus,
                                   const std::string& proc) const {
  if (!path.starts_with(kLibvirtDirectory))
    return Error(ErrorCode::kInvalid,
                 "libvirt takes memory from " + std::string(kLibvirtDirectory) + " only");
  const std::optional<unsigned> number = libvirt_bus(bus);
  if (!number) {
    return Error(ErrorCode::kUnsupported, "libvirt does not tell where the root port " + bus + " is",
                 "leave its alias to libvirt (pci.N)");
  }
  const std::string name = path.substr(std::string_view(kLibvirtDirectory).size());
  IVT_RETURN_IF_ERROR(guest_.qmp.libvirt->attach_device(
      guest_.qmp.domain, ring_xml(name, bytes, device_, *number), kLibvirtLimit));
  return must_be_mapped(guest_, path, proc);
}

Status RingDevice::ask_for_removal(MonitorConnection& monitor) const {
  if (guest_.qmp.libvirt) return guest_.qmp.libvirt->detach_device(guest_.qmp.domain, device_, kLibvirtLimit);
  const auto asked = monitor.execute("device_del", dump({{"id", device_}}));
  return asked ? Status() : asked.error();
}

Status RingDevice::remove_device(MonitorConnection& monitor, Nanoseconds limit) const {
  const Status asked = ask_for_removal(monitor);
  // Asked for before, by an unplug that was given up: QEMU says so, and what counts is that it goes.
  if (!asked && asked.error().message.find("already in the process of unplug") == std::string::npos) {
    IVT_ASSIGN_OR_RETURN(const bool there, qom_has(monitor, kDevices, device_));
    return there ? asked : Status();
  }
  const auto end = Clock::now() + std::chrono::nanoseconds(limit.value);
  while (true) {
    IVT_ASSIGN_OR_RETURN(const bool there, qom_has(monitor, kDevices, device_));
    if (!there) return {};
    if (Clock::now() >= end) {
      return Error(
          ErrorCode::kTimeout,
          "the guest did not let go of its ring within " + std::to_string(limit.value / 1'000'000'000) + " s",
          "is it running? QEMU keeps the request; ask again later");
    }
    ::poll(nullptr, 0, kLookEveryMs);
  }
}

Status RingDevice::remove_memory(MonitorConnection& monitor) const {
  const bool by_libvirt = guest_.qmp.libvirt != nullptr;
  const auto end = Clock::now() + (by_libvirt ? kLibvirtMemoryBusy : kMemoryBusy);
  while (true) {
    Status removed;
    if (by_libvirt) {
      IVT_ASSIGN_OR_RETURN(const bool there, qom_has(monitor, kObjects, memory_));
      if (there) removed = Error(ErrorCode::kTimeout, "libvirt does not remove the ring's memory");
    } else if (const auto gone = monitor.execute("object-del", dump({{"id", memory_}})); !gone) {
      removed = gone.error();
    }
    if (removed || !monitor.usable() || Clock::now() >= end) return removed;
    ::poll(nullptr, 0, kLookEveryMs);
  }
}

}  // namespace ivtrace::hypervisor
