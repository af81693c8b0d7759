#include "tracefs/mark_signal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "base/fd.h"
#include "base/mapping.h"

namespace ivtrace::tracefs {
namespace {

/// Makes the file whole before it gets its name: a program that maps half a file would die of it.
void make_file(const std::string& path) {
  const std::string directory = path.substr(0, path.rfind('/'));
  ::mkdir(directory.c_str(), 0755);
  const std::string made = path + "." + std::to_string(::getpid()) + "." + std::to_string(::gettid());
  {
    const UniqueFd fd(::open(made.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd.valid()) return;
    // The umask is not to decide who may read it.
    const bool whole = ::fchmod(fd.get(), 0644) == 0 && ::ftruncate(fd.get(), format::kMarkFileBytes) == 0;
    if (whole) static_cast<void>(::link(made.c_str(), path.c_str()));  // another one was first: as good
  }
  ::unlink(made.c_str());
}

Result<Mapping> map_file(const std::string& path) {
  IVT_ASSIGN_OR_RETURN(const UniqueFd fd, open_file(path, O_RDWR | O_NOFOLLOW));
  struct stat about {};
  if (::fstat(fd.get(), &about) != 0 || about.st_size < static_cast<off_t>(format::kMarkFileBytes))
    return Error(ErrorCode::kCorrupt, path + " is no mark file");
  return Mapping::of_fd(fd.get(), 0, format::kMarkFileBytes, Mapping::Access::kReadWrite, path);
}

}  // namespace

bool takes_marks(std::string_view instance) {
  for (const std::string_view prefix : {"ivtrace-agent-", "ivtrace-"}) {
    if (!instance.starts_with(prefix)) continue;
    const std::string_view pid = instance.substr(prefix.size());
    return !pid.empty() && std::all_of(pid.begin(), pid.end(), [](char c) { return c >= '0' && c <= '9'; });
  }
  return false;
}

void signal_marks(const std::string& path) {
  Result<Mapping> page = map_file(path);
  if (!page && page.error().code == ErrorCode::kNotFound) {
    make_file(path);
    page = map_file(path);
  }
  if (!page) return;
  std::atomic_ref generation(*reinterpret_cast<std::uint32_t*>(page->data()));
  // Pairs with the acquiring load in ivtrace_mark_targets_(): who sees the change finds what it tells of.
  std::uint32_t before = generation.load(std::memory_order_relaxed);
  std::uint32_t after = 0;
  do after = std::max(before + 1, format::kFirstMarkGeneration);
  while (
      !generation.compare_exchange_weak(before, after, std::memory_order_release, std::memory_order_relaxed));
}

}  // namespace ivtrace::tracefs
