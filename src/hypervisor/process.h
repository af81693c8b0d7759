// Processes as /proc shows them. A process may end between any two steps: that is kGone or kNotFound, never a
// mixture.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace ivtrace::hypervisor {

/// One QEMU process: its identity and what its /proc entry says.
struct QemuProcess {
  Pid pid;
  std::uint64_t start_time = 0;
  std::vector<std::string> arguments;  ///< without the program's name
  std::string working_directory;       ///< "" when it may not be read
};

/// Pids of all processes whose program is a QEMU system emulator, rising.
Result<std::vector<Pid>> qemu_pids(const std::string& proc);
/// kNotFound when there is no such process or when it is none of QEMU.
Result<QemuProcess> read_process(Pid pid, const std::string& proc);
/// Field 22 of /proc/PID/stat: clock ticks since boot; tells a pid from its next use.
Result<std::uint64_t> start_time(Pid pid, const std::string& proc);

/// The threads of a process that lives in another PID namespace, by the numbers that it knows them by itself;
/// empty when it lives in ours.
std::map<Tid, Tid> threads_by_own_number(Pid pid, const std::string& proc);

/// User and group by whose rights a process opens files (/proc/PID/status, the fourth of Uid and of Gid).
struct FileOwner {
  unsigned user = 0;
  unsigned group = 0;
};
Result<FileOwner> file_owner(Pid pid, const std::string& proc);

/// Has the process mapped the file, shared and writable? What a QEMU claims to be its ring is opened for
/// writing: it must be a file that this QEMU itself writes to.
bool has_mapped(Pid pid, const std::string& path, const std::string& proc);

/// Regular files and block devices that the process has open for reading and writing.
std::vector<std::string> open_images(Pid pid, const std::string& proc);

}  // namespace ivtrace::hypervisor
