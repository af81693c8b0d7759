#include "ring/host_ring.h"

#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "base/text.h"
#include "base/tsc.h"

namespace ivtrace::ring {
namespace {

struct OpenRing {
  UniqueFd fd;
  struct stat status {};
};

Result<OpenRing> open_ring_file(const std::string& path, int flags) {
  OpenRing opened;
  IVT_ASSIGN_OR_RETURN(opened.fd, open_file(path, flags | O_NONBLOCK));
  if (::fstat(opened.fd.get(), &opened.status) != 0) return errno_error(errno, "cannot stat " + path);
  if (!S_ISREG(opened.status.st_mode)) {
    return Error(ErrorCode::kInvalid, path + " is not a regular file, so it is no ring file",
                 "give the mem-path of the memory-backend-file behind the guest's ivshmem-plain device");
  }
  const auto bytes = static_cast<std::uint64_t>(opened.status.st_size);
  if (bytes > format::kMaxRingFile) {
    return Error(ErrorCode::kInvalid,
                 fmt::format("ring file {} has {}, more than any IVRing", path, format_size(bytes)));
  }
  return opened;
}

std::int32_t holder_of(const struct stat& status) {
  const auto locks = read_file("/proc/locks");
  return locks ? flock_holder(status.st_dev, status.st_ino, *locks) : 0;
}

}  // namespace

std::int32_t flock_holder(std::uint64_t device, std::uint64_t inode, std::string_view proc_locks) {
  // "3: FLOCK  ADVISORY  WRITE 4242 00:1a:1234 0 EOF", fs/locks.c lock_get_status()
  const std::string place = fmt::format("{:02x}:{:02x}:{}", major(device), minor(device), inode);
  for (const std::string_view line : split(proc_locks, '\n')) {
    std::vector<std::string_view> words;
    for (const std::string_view word : split(line, ' ')) {
      if (!word.empty()) words.push_back(word);
    }
    if (words.size() < 6 || words[1] != "FLOCK" || words[5] != place) continue;
    const auto pid = parse_i64(words[4]);
    return pid && *pid > 0 && *pid <= INT32_MAX ? static_cast<std::int32_t>(*pid) : 0;
  }
  return 0;
}

Result<std::unique_ptr<HostRing>> HostRing::open(const std::string& path, std::uint64_t session) {
  IVT_ASSIGN_OR_RETURN(OpenRing ring, open_ring_file(path, O_RDWR));
  if (::flock(ring.fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return errno_error(errno, "cannot lock ring file " + path);
    const std::int32_t holder = holder_of(ring.status);
    return Error(ErrorCode::kBusy,
                 fmt::format("ring file {} is being recorded by another ivtrace{}", path,
                             holder > 0 ? fmt::format(" (pid {})", holder) : ""),
                 "one recorder per guest: stop the other one, or leave this guest out with -g");
  }
  const auto bytes = static_cast<std::uint64_t>(ring.status.st_size);
  const std::string name = "ring file " + path;
  if (bytes < kMinRingFile) {
    return Error(
        ErrorCode::kExhausted,
        fmt::format("{} is too small: {} bytes, an IVRing takes at least {}", name, bytes, kMinRingFile),
        "give the guest's ivshmem memory-backend-file size=1M or more");
  }
  IVT_ASSIGN_OR_RETURN(Mapping mapping, Mapping::guarded(ring.fd.get(), 0, static_cast<std::size_t>(bytes),
                                                         Mapping::Access::kReadWrite, name));
  return std::unique_ptr<HostRing>(new HostRing(std::move(ring.fd), std::move(mapping), name, session));
}

std::unique_ptr<HostRing> HostRing::of_mapping(Mapping mapping, std::string name) {
  return std::unique_ptr<HostRing>(new HostRing(UniqueFd(), std::move(mapping), std::move(name), 0));
}

HostRing::HostRing(UniqueFd lock, Mapping mapping, std::string name, std::uint64_t session)
    : lock_(std::move(lock)),
      mapping_(std::move(mapping)),
      memory_(mapping_.bytes()),
      name_(std::move(name)),
      session_(session != 0 ? session : random_nonce()) {}

HostRing::~HostRing() {
  if (is_ivring()) memory_.header().host_session.store(0, std::memory_order_relaxed);  // compared only
}

bool HostRing::is_ivring() const {
  return memory_.header().magic.load(std::memory_order_relaxed) ==
         format::kRingMagic;  // nothing else is read
}

void HostRing::beat() {
  if (!is_ivring()) return;
  format::RingHeader& header = memory_.header();
  // relaxed: the agent only sees that the one moves and compares the other
  header.host_session.store(session_, std::memory_order_relaxed);
  header.host_heartbeat.store(read_tsc(), std::memory_order_relaxed);
}

Result<RingInfo> peek_ring(const std::string& path) {
  IVT_ASSIGN_OR_RETURN(const OpenRing ring, open_ring_file(path, O_RDONLY));
  RingInfo info;
  info.file_bytes = static_cast<std::uint64_t>(ring.status.st_size);
  // Asked of /proc/locks and not by trying: a lock of ours, however short, could turn a recorder away.
  if (const std::int32_t holder = holder_of(ring.status); holder > 0) info.recorder_pid = holder;
  if (info.file_bytes < kMinRingFile) {
    info.problem =
        fmt::format("too small: {} bytes, an IVRing takes at least {}", info.file_bytes, kMinRingFile);
    return info;
  }
  IVT_ASSIGN_OR_RETURN(const Mapping mapping,
                       Mapping::guarded(ring.fd.get(), 0, static_cast<std::size_t>(info.file_bytes),
                                        Mapping::Access::kRead, path));
  const auto geometry = read_geometry(mapping.bytes(), "ring file " + path);
  if (!geometry) {
    info.problem = geometry.error().to_string();
    return info;
  }
  const format::RingHeader& header = SharedMemory(mapping.bytes()).header();
  info.formatted = true;
  info.cpu_count = geometry->cpu_count;
  info.ring_bytes = geometry->ring_bytes;
  info.generation = geometry->generation;
  info.agent_state = header.agent_state.load(std::memory_order_relaxed);  // shown only
  info.agent_heartbeat = header.agent_heartbeat.load(std::memory_order_relaxed);
  return info;
}

bool agent_beat(const RingInfo& before, const RingInfo& after) {
  return after.formatted &&
         (after.generation != before.generation || after.agent_heartbeat != before.agent_heartbeat);
}

}  // namespace ivtrace::ring
