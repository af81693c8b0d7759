// Plugging a ring into a running guest, and out again, through its monitor.
//
//   plug      file (O_EXCL, all of its memory reserved) → object-add memory-backend-file → device_add
//   unplug    device_del → the guest lets go → object-del → file removed
//
// A domain of libvirt's gets the same device on the same file through libvirt, which must know what its
// domains have. What is made here carries the ids of RingDevice and ring_file_path(): by these it is known
// again, and nothing else is ever removed. A failure half-way undoes what was done before it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "hypervisor/inventory.h"
#include "hypervisor/ring_device.h"

namespace ivtrace::hypervisor {

inline constexpr const char* kRingFilePrefix =
    "ivtrace-";  ///< then the pid of QEMU, a dash, the guest's name

/// The smallest and the largest ring that is plugged in; sizes are powers of two, as those of PCI memory are
/// (QEMU ends itself over another one).
inline constexpr std::uint64_t kMinPluggedRing = 1ull << 20;
inline constexpr std::uint64_t kMaxPluggedRing = 1ull << 30;

bool pluggable_size(std::uint64_t bytes);

struct PlugOptions {
  std::string directory = "/dev/shm";
  std::string proc = "/proc";
  Nanoseconds step_limit{1'000'000'000};      ///< of each QMP step
  Nanoseconds total_limit{10'000'000'000};    ///< of all of them, but for the wait for the guest
  Nanoseconds removal_limit{15'000'000'000};  ///< of that wait: a PCIe slot's button takes 5 s alone
};

struct PluggedRing {
  std::string path;
  std::uint64_t bytes = 0;
  std::string bus;  ///< "pci.0", or the root port
};

/// What of ours the guest has. A leftover of an attach that was killed may have the memory alone.
struct PlugState {
  bool device = false;
  bool memory = false;
  std::string path;  ///< of the memory, as QEMU tells it
};

/// Where attach puts a guest's ring. Other characters than letters, digits, ".", "_" and "-" become "_".
std::string ring_file_path(const Guest& guest, const std::string& directory = "/dev/shm");

/// Plugs in a ring of `bytes`, which the guest's kernel finds by itself.
///   kInvalid      no such size
///   kUnsupported  the guest has no monitor, its machine type cannot, or it has no free root port; nothing
///                 was changed
///   kBusy         the monitor is held by somebody else, or a foreign file is in the way
///   kExhausted    /dev/shm has no room
///   kIo           QEMU refused; what was done before was undone, or the hint says what is left
Result<PluggedRing> plug_ring(const Guest& guest, std::uint64_t bytes, const PlugOptions& options = {});

Result<PlugState> look_at_plug(const Guest& guest, const PlugOptions& options = {});

/// Plugs it out and removes its file. kTimeout: the guest did not let go of the device within the limit, all
/// is still in place. kNotFound: there is nothing of ours.
Status unplug_ring(const Guest& guest, const PlugOptions& options = {});

/// Removes the files of attached rings whose QEMU has ended; gives their paths. A file is known by its name,
/// and only a regular one with mode 0600 is removed.
std::vector<std::string> remove_left_rings(const PlugOptions& options = {});

}  // namespace ivtrace::hypervisor
