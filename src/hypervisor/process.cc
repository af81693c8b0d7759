#include "hypervisor/process.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdio>

#include "base/fd.h"
#include "base/text.h"
#include "hypervisor/inventory.h"

namespace ivtrace::hypervisor {
namespace {

constexpr std::size_t kMaxCommandLine = 1u << 20;
constexpr std::size_t kMaxArguments = 8192;
constexpr std::size_t kMaxStat = 4096;
constexpr std::size_t kMaxImages = 64;

std::string entry(Pid pid, const std::string& proc, const std::string& name) {
  return proc + "/" + std::to_string(pid.value) + "/" + name;
}

std::string read_link(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t length = readlink(path.c_str(), target, sizeof target);
  return length > 0 ? std::string(target, static_cast<std::size_t>(length)) : std::string();
}

bool is_qemu_program(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return name.starts_with("qemu-system-") || name == "qemu-kvm" || name == "qemu" || name == "kvm" ||
         name.starts_with("qemu-kvm ") || name.starts_with("kvm ");  // " (deleted)" after an upgrade
}

/// "NSpid: 9102 12" of a status file: the number in our PID namespace first, in the task's own last. Nothing
/// when they are one.
std::optional<Tid> own_number(const std::string& status_path) {
  const auto status = read_file(status_path, 64u << 10);
  if (!status) return std::nullopt;
  for (const std::string_view line : split(*status, '\n')) {
    if (!line.starts_with("NSpid:")) continue;
    const auto numbers = split(trim(line.substr(6)), '\t');
    const auto last = parse_u64(numbers.back());
    if (numbers.size() < 2 || !last || *last > INT_MAX) return std::nullopt;
    return Tid(static_cast<std::int32_t>(*last));
  }
  return std::nullopt;
}

std::vector<Pid> numbers_in(const std::vector<std::string>& names) {
  std::vector<Pid> pids;
  for (const std::string& name : names) {
    const auto number = parse_u64(name);
    if (number && *number <= INT_MAX) pids.emplace_back(static_cast<std::int32_t>(*number));
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

}  // namespace

Result<std::vector<Pid>> qemu_pids(const std::string& proc) {
  IVT_ASSIGN_OR_RETURN(const auto names, list_directory(proc));
  std::vector<Pid> pids = numbers_in(names);
  std::erase_if(pids, [&](Pid pid) { return !is_qemu_program(read_link(entry(pid, proc, "exe"))); });
  return pids;
}

Result<std::uint64_t> start_time(Pid pid, const std::string& proc) {
  IVT_ASSIGN_OR_RETURN(const std::string stat, read_file(entry(pid, proc, "stat"), kMaxStat));
  // The name (field 2) is in parentheses and may hold anything, parentheses and blanks included: count from
  // the last.
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos)
    return Error(ErrorCode::kCorrupt, "cannot read " + entry(pid, proc, "stat"));
  const auto fields = split(trim(std::string_view(stat).substr(name_end + 1)), ' ');
  if (fields.size() < 20) return Error(ErrorCode::kCorrupt, "cannot read " + entry(pid, proc, "stat"));
  return parse_u64(fields[19]);
}

Result<QemuProcess> read_process(Pid pid, const std::string& proc) {
  if (!is_qemu_program(read_link(entry(pid, proc, "exe")))) {
    return Error(ErrorCode::kNotFound,
                 "process " + std::to_string(pid.value) + " is no QEMU system emulator");
  }
  QemuProcess process;
  process.pid = pid;
  IVT_ASSIGN_OR_RETURN(process.start_time, start_time(pid, proc));
  IVT_ASSIGN_OR_RETURN(std::string text, read_file(entry(pid, proc, "cmdline"), kMaxCommandLine));
  if (text.empty()) {
    return Error(ErrorCode::kNotFound, "process " + std::to_string(pid.value) + " has ended");
  }
  if (text.back() == '\0') text.pop_back();
  const auto arguments = split(text, '\0');
  for (std::size_t i = 1; i < arguments.size() && i <= kMaxArguments; ++i)
    process.arguments.emplace_back(arguments[i]);
  process.working_directory = read_link(entry(pid, proc, "cwd"));
  return process;
}

std::map<Tid, Tid> threads_by_own_number(Pid pid, const std::string& proc) {
  std::map<Tid, Tid> threads;
  if (!own_number(entry(pid, proc, "status"))) return threads;
  const std::string directory = entry(pid, proc, "task");
  const auto names = list_directory(directory);
  if (!names) return threads;
  for (const Pid tid : numbers_in(*names)) {
    const auto own = own_number(directory + "/" + std::to_string(tid.value) + "/status");
    if (own) threads.emplace(*own, Tid(tid.value));
  }
  return threads;
}

bool has_mapped(Pid pid, const std::string& path, const std::string& proc) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) return false;
  const auto maps = read_file(entry(pid, proc, "maps"));
  if (!maps) return false;
  for (const std::string_view line : split(*maps, '\n')) {
    unsigned major_number = 0;
    unsigned minor_number = 0;
    unsigned long long inode = 0;
    char access[5] = {};
    if (std::sscanf(std::string(line.substr(0, 256)).c_str(), "%*s %4s %*s %x:%x %llu", access, &major_number,
                    &minor_number, &inode) != 4) {
      continue;
    }
    // Shared and writable, as memory between machines is: what it may only read is not the guest's to share.
    if (inode != file.st_ino || access[1] != 'w' || access[3] != 's') continue;
    // Some file systems (btrfs, overlay) show another device here than stat() does; then the name decides.
    if (makedev(major_number, minor_number) == file.st_dev || line.ends_with(" " + path)) return true;
  }
  return false;
}

Result<FileOwner> file_owner(Pid pid, const std::string& proc) {
  IVT_ASSIGN_OR_RETURN(const std::string status, read_file(entry(pid, proc, "status"), 64u << 10));
  FileOwner owner;
  int found = 0;
  for (const std::string_view line : split(status, '\n')) {
    const std::string text(line.substr(0, 256));
    if (text.starts_with("Uid:")) found += std::sscanf(text.c_str(), "Uid: %*u %*u %*u %u", &owner.user);
    if (text.starts_with("Gid:")) found += std::sscanf(text.c_str(), "Gid: %*u %*u %*u %u", &owner.group);
  }
  if (found != 2)
    return Error(ErrorCode::kCorrupt, "cannot tell whose process " + std::to_string(pid.value) + " is");
  return owner;
}

std::vector<std::string> open_images(Pid pid, const std::string& proc) {
  std::vector<std::string> images;
  const std::string directory = entry(pid, proc, "fd");
  const auto names = list_directory(directory);
  if (!names) return images;
  for (const std::string& name : *names) {
    const std::string target = read_link(directory + "/" + name);
    if (!target.starts_with("/") || target.starts_with("/dev/shm/") || images.size() >= kMaxImages) continue;
    struct stat file {};
    if (stat((directory + "/" + name).c_str(), &file) != 0 ||
        !(S_ISREG(file.st_mode) || S_ISBLK(file.st_mode)))
      continue;
    const auto info = read_file(entry(pid, proc, "fdinfo/" + name), kMaxStat);
    const std::size_t flags = info ? info->find("flags:") : std::string::npos;
    if (flags == std::string::npos) continue;
    const unsigned long mode = std::strtoul(info->c_str() + flags + 6, nullptr, 8);
    // Logs and pid files are opened for writing only, or for appending.
    if ((mode & O_ACCMODE) != O_RDWR || (mode & O_APPEND) != 0) continue;
    if (std::find(images.begin(), images.end(), target) == images.end()) images.push_back(target);
  }
  return images;
}

Result<std::vector<ProcessThread>> list_threads(Pid pid, const std::string& proc) {
  const std::string directory = entry(pid, proc, "task");
  const auto names = list_directory(directory);
  if (!names) return Error(ErrorCode::kGone, "process " + std::to_string(pid.value) + " has ended");
  std::vector<ProcessThread> threads;
  for (const Pid tid : numbers_in(*names)) {
    const auto comm = read_file(directory + "/" + std::to_string(tid.value) + "/comm", kMaxStat);
    if (!comm) continue;  // ended meanwhile
    threads.push_back({Tid(tid.value), std::string(trim(*comm))});
  }
  return threads;
}

}  // namespace ivtrace::hypervisor
