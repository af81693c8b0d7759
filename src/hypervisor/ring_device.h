// The ring as a device of QEMU: how it gets in and out, by QMP's own commands or by libvirt, which must know
// of its domains' devices.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/units.h"
#include "hypervisor/inventory.h"
#include "hypervisor/monitor.h"

namespace ivtrace::hypervisor {

inline constexpr const char* kRingDeviceId = "ivtrace-ring";
inline constexpr const char* kRingMemoryId = "ivtrace-memory";

/// A device with its memory, known by their ids. Borrows the guest.
class RingDevice {
 public:
  /// By libvirt if that holds the guest's monitor.
  explicit RingDevice(const Guest& guest);

  /// Ids in QEMU.
  const std::string& device() const { return device_; }
  const std::string& memory() const { return memory_; }
  /// In QEMU's object tree.
  std::string memory_object() const;

  Status plug(MonitorConnection& monitor, const std::string& path, std::uint64_t bytes,
              const std::string& bus, const std::string& proc) const;
  /// Asks for it and waits until the guest has let go of the device.
  Status remove_device(MonitorConnection& monitor, Nanoseconds limit) const;
  /// After the device. libvirt does it by itself: then this only waits.
  Status remove_memory(MonitorConnection& monitor) const;

 private:
  Status plug_by_qmp(MonitorConnection& monitor, const std::string& path, std::uint64_t bytes,
                     const std::string& bus, const std::string& proc) const;
  Status plug_by_libvirt(const std::string& path, std::uint64_t bytes, const std::string& bus,
                         const std::string& proc) const;
  Status ask_for_removal(MonitorConnection& monitor) const;

  const Guest& guest_;
  std::string device_;
  std::string memory_;
};

/// The number of libvirt's controller of that PCI bus, whose id in QEMU is "pci.N" unless somebody named it.
std::optional<unsigned> libvirt_bus(const std::string& bus);
/// libvirt's description of a ring in /dev/shm; bus 0: libvirt finds a place on it.
std::string ring_xml(const std::string& file_name, std::uint64_t bytes, const std::string& alias,
                     unsigned bus);

}  // namespace ivtrace::hypervisor
