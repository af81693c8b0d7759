#include "hypervisor/ring_plug.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "base/fd.h"
#include "base/text.h"
#include "hypervisor/monitor.h"
#include "hypervisor/process.h"
#include "hypervisor/qom.h"
#include "hypervisor/ring_device.h"

namespace ivtrace::hypervisor {
namespace {

constexpr const char* kDevices = "/machine/peripheral";
constexpr const char* kObjects = "/objects";
constexpr std::size_t kMaxFileName = 64;
/// How long a device that was just plugged in, and is taken back, is waited for.
constexpr Nanoseconds kTakeBackLimit(7'000'000'000);

using MonitorHandle = std::unique_ptr<MonitorConnection>;

Result<MonitorHandle> open_plug_monitor(const Guest& guest, const PlugOptions& options, Nanoseconds total) {
  if (!guest.qmp.named()) {
    return Error(ErrorCode::kUnsupported, guest.name + " has no QMP monitor to plug a ring through",
                 "start QEMU with -qmp unix:PATH,server=on,wait=off, or let ivtrace reach libvirt if that "
                 "holds the monitor");
  }
  auto monitor = open_monitor(guest.qmp, options.step_limit, total);
  if (monitor) return monitor;
  Error error = monitor.error();
  error.message = guest.name + ": " + error.message;
  if (error.code == ErrorCode::kBusy)
    error.hint = "try again when it is free, or start QEMU with a second -qmp socket; nothing was changed";
  return error;
}

/// The file of a ring, made anew; removed again unless it is kept.
class RingFile {
 public:
  static Result<RingFile> create(const std::string& path, std::uint64_t bytes, const FileOwner& owner) {
    // O_EXCL follows no symbolic link and takes no file that is there already, whoever made it.
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd.valid()) {
      if (errno != EEXIST) return errno_error(errno, "cannot make the ring's file " + path);
      return Error(ErrorCode::kBusy, path + " is in the way: something that no attach of now has made",
                   "remove it if it is nobody's; nothing was changed");
    }
    RingFile file(path);
    // All of its memory now: a full /dev/shm would else kill QEMU, and with it the guest, at some later
    // store.
    if (const int error = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes)); error != 0) {
      return errno_error(error, "no room for a ring of " + format_size(bytes) + " in " + path,
                         "attach with a smaller --size; nothing was changed");
    }
    if (::fchown(fd.get(), owner.user, owner.group) != 0)
      return errno_error(errno, "cannot give " + path + " to QEMU's user");
    return file;
  }
  ~RingFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  RingFile(RingFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  RingFile& operator=(RingFile&&) = delete;
  void keep() { path_.clear(); }

 private:
  explicit RingFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Result<PlugState> look(MonitorConnection& monitor, const RingDevice& ring) {
  PlugState state;
  IVT_ASSIGN_OR_RETURN(state.device, qom_has(monitor, kDevices, ring.device()));
  IVT_ASSIGN_OR_RETURN(state.memory, qom_has(monitor, kObjects, ring.memory()));
  if (state.memory) {
    IVT_ASSIGN_OR_RETURN(state.path, qom_text(monitor, ring.memory_object(), "mem-path"));
  }
  return state;
}

/// Device first, then the memory below it. With a connection of its own where the first one failed.
Status take_back(const Guest& guest, const PlugOptions& options, MonitorConnection& monitor) {
  MonitorHandle second;
  if (!monitor.usable()) {
    IVT_ASSIGN_OR_RETURN(second, open_plug_monitor(guest, options, options.total_limit));
  }
  MonitorConnection& working = second ? *second : monitor;
  const RingDevice device(guest);
  IVT_ASSIGN_OR_RETURN(const PlugState state, look(working, device));
  if (state.device) IVT_RETURN_IF_ERROR(device.remove_device(working, kTakeBackLimit));
  if (state.memory) IVT_RETURN_IF_ERROR(device.remove_memory(working));
  return {};
}

/// Whether the file at `path` is the one that the process writes to: asked before its memory goes, and only
/// such a file is removed.
bool is_rings_file(const Guest& guest, const std::string& path, const PlugOptions& options) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         has_mapped(guest.pid, path, options.proc);
}

/// Memory without a device: what an attach left that was killed in between.
Status remove_leftover(const Guest& guest, const PlugOptions& options, MonitorConnection& monitor,
                       const std::string& path) {
  const bool ours = is_rings_file(guest, path, options);
  IVT_RETURN_IF_ERROR(RingDevice(guest).remove_memory(monitor));
  if (ours) ::unlink(path.c_str());
  return {};
}

/// The pid in "ivtrace-<pid>-<name>", or nothing.
std::optional<Pid> pid_in(const std::string& name) {
  if (!name.starts_with(kRingFilePrefix)) return std::nullopt;
  const std::string rest = name.substr(std::string_view(kRingFilePrefix).size());
  const std::size_t dash = rest.find('-');
  if (dash == std::string::npos) return std::nullopt;
  const auto pid = parse_u64(rest.substr(0, dash));
  if (!pid || *pid == 0 || *pid > INT32_MAX) return std::nullopt;
  return Pid(static_cast<std::int32_t>(*pid));
}

}  // namespace

bool pluggable_size(std::uint64_t bytes) {
  return std::has_single_bit(bytes) && bytes >= kMinPluggedRing && bytes <= kMaxPluggedRing;
}

std::string ring_file_path(const Guest& guest, const std::string& directory) {
  std::string name = kRingFilePrefix + std::to_string(guest.pid.value) + "-" + guest.name;
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '-';
    if (!plain) c = '_';
  }
  if (name.size() > kMaxFileName) name.resize(kMaxFileName);
  return directory + "/" + name;
}

Result<PluggedRing> plug_ring(const Guest& guest, std::uint64_t bytes, const PlugOptions& options) {
  if (!pluggable_size(bytes)) {
    return Error(ErrorCode::kInvalid, "a ring of " + std::to_string(bytes) + " bytes cannot be plugged in",
                 "a power of two from 1M to 1G, as 16M");
  }
  IVT_ASSIGN_OR_RETURN(const MonitorHandle monitor, open_plug_monitor(guest, options, options.total_limit));
  const RingDevice device(guest);
  PluggedRing ring{ring_file_path(guest, options.directory), bytes, {}};
  IVT_ASSIGN_OR_RETURN(const PlugState before, look(*monitor, device));
  if (before.device) {
    return Error(ErrorCode::kBusy, guest.name + " has a ring from an earlier attach, but its file is gone",
                 "ivtrace detach it first");
  }
  IVT_ASSIGN_OR_RETURN(ring.bus, find_ring_bus(*monitor, bytes));
  IVT_ASSIGN_OR_RETURN(const FileOwner owner, file_owner(guest.pid, options.proc));
  if (before.memory) IVT_RETURN_IF_ERROR(remove_leftover(guest, options, *monitor, ring.path));
  IVT_ASSIGN_OR_RETURN(RingFile file, RingFile::create(ring.path, bytes, owner));
  const Status plugged = device.plug(*monitor, ring.path, bytes, ring.bus, options.proc);
  if (plugged) {
    file.keep();
    return ring;
  }
  Error error = plugged.error();
  error.message = "the ring could not be plugged in: " + error.message;
  if (const Status undone = take_back(guest, options, *monitor); !undone) {
    file.keep();
    error.hint =
        "what is left of it (" + undone.error().message + ") is removed by: ivtrace detach " + guest.name;
  } else if (error.hint.empty()) {
    error.hint = "what had been done was undone";
  }
  return error;
}

Result<PlugState> look_at_plug(const Guest& guest, const PlugOptions& options) {
  IVT_ASSIGN_OR_RETURN(const MonitorHandle monitor, open_plug_monitor(guest, options, options.total_limit));
  return look(*monitor, RingDevice(guest));
}

Status unplug_ring(const Guest& guest, const PlugOptions& options) {
  const Nanoseconds total(options.total_limit.value + options.removal_limit.value);
  IVT_ASSIGN_OR_RETURN(const MonitorHandle monitor, open_plug_monitor(guest, options, total));
  const RingDevice device(guest);
  IVT_ASSIGN_OR_RETURN(const PlugState state, look(*monitor, device));
  if (!state.device && !state.memory)
    return Error(ErrorCode::kNotFound, guest.name + " has no ring of an attach");
  const std::string path = ring_file_path(guest, options.directory);
  const bool ours = is_rings_file(guest, path, options);
  if (state.device) IVT_RETURN_IF_ERROR(device.remove_device(*monitor, options.removal_limit));
  if (state.memory) IVT_RETURN_IF_ERROR(device.remove_memory(*monitor));
  if (ours && ::unlink(path.c_str()) != 0) return errno_error(errno, "cannot remove " + path);
  return {};
}

std::vector<std::string> remove_left_rings(const PlugOptions& options) {
  std::vector<std::string> removed;
  const auto names = list_directory(options.directory);
  if (!names) return removed;
  for (const std::string& name : *names) {
    const std::optional<Pid> pid = pid_in(name);
    if (!pid) continue;
    // A pid that another process has by now is no QEMU that maps the file.
    const std::string path = options.directory + "/" + name;
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || (status.st_mode & 07777) != 0600)
      continue;
    if (read_process(*pid, options.proc) || has_mapped(*pid, path, options.proc)) continue;
    if (::unlink(path.c_str()) == 0) removed.push_back(path);
  }
  return removed;
}

}  // namespace ivtrace::hypervisor
