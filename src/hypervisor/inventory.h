// The QEMU guests of this host: who they are, what runs their vCPUs, what backs their disks, where their ring
// is.
//
// Facts come from /proc (command line, threads, open files) and, where the process has a monitor on a UNIX
// socket or one that libvirt holds, from QMP. A QMP socket serves one client at a time and may be held by
// somebody else, and QEMU may be compromised or hang: every step has a time limit, every reply a size limit,
// the connection is closed at once after use, and what could not be learned is said in Guest::unknown. Only
// the absence of all of /proc is an error.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "format/disk_limits.h"
#include "hypervisor/libvirt.h"

namespace ivtrace::hypervisor {

struct Vcpu {
  std::int32_t index = -1;               ///< QEMU's cpu-index
  Tid thread;                            ///< host thread that runs it
  std::optional<std::uint32_t> apic_id;  ///< from QMP; KVM's vcpu_id is the same number
};

struct Disk {
  std::string device;  ///< QEMU's name of the drive, node or front-end
  std::string path;    ///< of the image, absolute where QEMU's working directory is readable
  std::string format;  ///< raw, qcow2, …, "" when unknown
  std::string aio;     ///< threads, native, io_uring, "" when unknown
  std::string cache;   ///< none, writeback, writethrough, directsync, unsafe, "" when unknown
  std::uint64_t device_number =
      0;                    ///< st_rdev of a block device, else st_dev of the image's file system; 0 unknown
  std::uint64_t inode = 0;  ///< of the image file; 0 for block devices or when unknown
  format::DiskLimits limits;  ///< as of now, where a monitor told; by the command line, as of the start
};

/// The memory behind an ivshmem-plain device.
struct RingBacking {
  std::string path;
  std::uint64_t bytes = 0;  ///< as configured, 0 unknown
};

enum class QmpState {
  kNone,  ///< the process has no monitor on a UNIX socket that we know of
  kOk,
  kBusy,    ///< somebody else is connected: no greeting within the limit
  kFailed,  ///< it refused, hung or talked nonsense: `detail` says what
};
const char* to_string(QmpState state);

/// Where a guest's monitor is: on a socket, or held by libvirt.
struct Monitor {
  std::string path;                  ///< of the socket, "" when libvirt holds it
  std::shared_ptr<Libvirt> libvirt;  ///< null: it is on a socket, if anywhere
  std::string domain;                ///< its UUID, for libvirt
  QmpState state = QmpState::kNone;
  std::string detail;

  bool named() const { return libvirt || !path.empty(); }
  std::string describe() const;  ///< "QMP at PATH", "libvirt at URI"
};

/// One QEMU process. (pid, start_time) is its identity: a pid alone may be used again.
struct Guest {
  Pid pid;
  std::uint64_t start_time = 0;  ///< clock ticks since boot, /proc/PID/stat field 22
  std::string name;              ///< as given to QEMU, or "qemu-<pid>"
  std::string uuid;              ///< "" when unknown
  std::string accel;             ///< "kvm", "tcg", "" when unknown
  /// CPU time that its control groups let its vCPUs have together, µs in each second; 0: no limit is known.
  std::uint64_t cpu_limit_us = 0;
  std::string status;  ///< QMP's "running", "paused", …; "" when unknown
  std::vector<Vcpu> vcpus;
  std::vector<Disk> disks;
  std::vector<RingBacking> rings;  ///< usually none or one
  Monitor qmp;
  bool monitor_is_held = false;  ///< by libvirt, as its command line tells
  bool has_agent_port = false;   ///< a virtio-serial port for the QEMU guest agent
  std::string agent_socket;      ///< UNIX socket of its host's end, "" when libvirt has it or there is none
  std::vector<std::string> unknown;  ///< what could not be learned and why, for people

  bool same_process(const Guest& other) const { return pid == other.pid && start_time == other.start_time; }
};

struct InventoryOptions {
  std::string proc = "/proc";
  std::string sys = "/sys";
  Nanoseconds step_limit{1'000'000'000};   ///< of each QMP step
  Nanoseconds guest_limit{3'000'000'000};  ///< of all QMP steps of one guest
  bool use_qmp = true;
  LibvirtChoice libvirt;  ///< for guests whose monitor it holds
  /// Where that is nothing: how to get it, once such a guest is there. For those that look again and again.
  std::function<LibvirtChoice()> later_libvirt;
};

/// All QEMU processes that this process may see, by rising pid. Blocks at most guest_limit for each guest.
Result<std::vector<Guest>> find_guests(const InventoryOptions& options = {});
/// One of them; kNotFound when there is no such QEMU process.
Result<Guest> inspect_guest(Pid pid, const InventoryOptions& options = {});

/// Is there a guest whose monitor libvirt holds? From command lines alone.
bool libvirt_is_needed(const std::string& proc = "/proc");

struct ProcessThread {
  Tid tid;
  std::string name;  ///< comm; any bytes
};
/// The threads of a process now, by rising tid; kGone when it is no more.
Result<std::vector<ProcessThread>> list_threads(Pid pid, const std::string& proc = "/proc");

/// The running domains of libvirt that none of the guests is: their processes are on another machine, or not
/// to be seen from here. Empty when there is no libvirt, or when it does not tell.
std::vector<Domain> unseen_domains(const InventoryOptions& options, const std::vector<Guest>& guests);
/// What to say about a wanted guest (name or UUID) that is one of those; nothing when it is none.
std::optional<Error> unseen_domain(const InventoryOptions& options, const std::string& wanted,
                                   const std::vector<Guest>& guests);

/// Tells which guests came and went between two looks. A new process is asked by QMP at once and at
/// the next three looks, a known one at every tenth look: what was plugged meanwhile is seen then, and a
/// recording does not hold monitors. One to which something happened, as libvirt tells, is asked at the next
/// look. Guests that are not wanted are known by /proc alone. One thread.
class Watch {
 public:
  struct Changes {
    std::vector<Guest> came;
    std::vector<Guest> gone;
    std::vector<Guest> changed;       ///< known ones of which more or other things are known now
    std::vector<DomainEvent> events;  ///< what libvirt told since the look before
    bool any() const { return !came.empty() || !gone.empty() || !changed.empty() || !events.empty(); }
  };

  /// `wanted` is asked with what /proc tells; empty: all are.
  explicit Watch(InventoryOptions options = {}, std::function<bool(const Guest&)> wanted = {})
      : options_(std::move(options)), wanted_(std::move(wanted)) {}

  /// The first look reports every guest as come.
  Result<Changes> look();
  /// Something happened: a look should not wait for its time.
  bool woken();
  const std::vector<Guest>& guests() const { return guests_; }

 private:
  Result<Guest> inspect(Pid pid);

  InventoryOptions options_;
  std::function<bool(const Guest&)> wanted_;
  std::vector<Guest> guests_;
  std::map<Pid, unsigned> looks_;    ///< since the guest came
  std::vector<DomainEvent> events_;  ///< for the next look
};

}  // namespace ivtrace::hypervisor
