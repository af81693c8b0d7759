#include "tracefs/mount.h"

#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "tracefs/lockdown.h"

namespace ivtrace::tracefs {
namespace {

/// Mount points of type tracefs, in the order of /proc/self/mounts.
std::vector<std::string> mounted_tracefs() {
  std::vector<std::string> points;
  const Result<std::string> mounts = read_file("/proc/self/mounts", 16u << 20);
  if (!mounts) return points;
  for (std::string_view line : split(*mounts, '\n')) {
    const std::vector<std::string_view> words = split(line, ' ');
    if (words.size() > 2 && words[2] == "tracefs") points.emplace_back(words[1]);
  }
  return points;
}

/// A mount may be there and still be closed to us (a container's read-only or masked one).
bool usable(int dir_fd) { return ::faccessat(dir_fd, "instances", R_OK | W_OK | X_OK, 0) == 0; }

}  // namespace

Result<UniqueFd> mount_detached(const std::string& fs_type) {
  const UniqueFd context(::fsopen(fs_type.c_str(), FSOPEN_CLOEXEC));
  if (!context.valid()) return errno_error(errno, "cannot open file system type " + fs_type);
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return errno_error(errno, "cannot set up a private mount of " + fs_type);
  }
  UniqueFd root(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
  if (!root.valid()) return errno_error(errno, "cannot make a private mount of " + fs_type);
  return root;
}

Result<TraceDir> TraceDir::open() {
  for (const std::string& point : mounted_tracefs()) {
    Result<UniqueFd> fd = open_file(point, O_RDONLY | O_DIRECTORY);
    if (fd && usable(fd->get())) return TraceDir(std::move(*fd), point);
  }
  if (::geteuid() != 0) {
    return Error(ErrorCode::kPermission, "tracing the kernel needs root", "run it as root, or with sudo");
  }
  Result<UniqueFd> root = mount_detached("tracefs");
  if (!root) {
    // ENODEV: the kernel does not know the type. ENOSYS: no fsopen, and nobody has mounted tracefs either.
    if (root.error().code == ErrorCode::kNotFound) {
      return Error(ErrorCode::kUnsupported, "this kernel has no tracefs",
                   "boot a kernel with CONFIG_FTRACE, CONFIG_EVENT_TRACING and CONFIG_TRACING");
    }
    if (root.error().code == ErrorCode::kUnsupported) {
      return Error(
          root.error().code, root.error().message,
          "this kernel is older than 5.2; mount tracefs first: mount -t tracefs nodev /sys/kernel/tracing");
    }
    return explain_denied(root.error());
  }
  return TraceDir(std::move(*root), "a private mount of tracefs");
}

}  // namespace ivtrace::tracefs
