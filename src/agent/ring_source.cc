#include "agent/ring_source.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/text.h"
#include "format/ivring.h"
#include "ring/shared_memory.h"
#include "tracefs/lockdown.h"

namespace ivtrace::agent {
namespace {

constexpr const char* kVendor = "0x1af4";
constexpr const char* kDevice = "0x1110";

bool file_says(const std::string& path, std::string_view wanted) {
  const Result<std::string> text = read_file(path, 4096);
  return text && trim(*text) == wanted;
}

/// One agent per memory: a lock of the open file description, which dies with the process.
Status lock_for_agent(int fd, const std::string& name) {
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(fd, F_OFD_SETLK, &whole) == 0) return {};
  if (errno == EAGAIN || errno == EACCES) {
    return Error(ErrorCode::kBusy, "another ivtrace-agent uses " + name, "one agent per ring is enough");
  }
  return errno_error(errno, "cannot lock " + name);
}

Result<MemoryId> id_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return errno_error(errno, "cannot look at " + path);
  return MemoryId{status.st_dev, status.st_ino};
}

Error given_back(const std::string& name) {
  return Error(ErrorCode::kNotFound, name + " was given back to the host");
}

Result<RingMemory> map_ring(const std::string& path, const std::string& name, const MemoryId& id) {
  IVT_ASSIGN_OR_RETURN(UniqueFd fd, open_file(path, O_RDWR));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return errno_error(errno, "cannot look at " + path);
  const auto bytes = static_cast<std::uint64_t>(status.st_size);
  if (bytes < ring::kMinRingFile || bytes > format::kMaxRingFile) {
    return Error(ErrorCode::kExhausted, name + " has " + format_size(bytes) + ": too small for an IVRing",
                 "give the guest's memory-backend-file size=16M");
  }
  IVT_RETURN_IF_ERROR(lock_for_agent(fd.get(), name));
  IVT_ASSIGN_OR_RETURN(Mapping mapping,
                       Mapping::guarded(fd.get(), 0, bytes, Mapping::Access::kReadWrite, name));
  if (!may_format(mapping.bytes())) {
    return Error(ErrorCode::kInvalid, name + " holds something that is not an IVRing",
                 "another program uses it: give ivtrace an ivshmem device of its own");
  }
  return RingMemory{std::move(fd), std::move(mapping), id, name};
}

Error explain_bar(Error error) {
  if (error.code != ErrorCode::kPermission) return error;
  const tracefs::Lockdown state = tracefs::lockdown_state();
  if (state == tracefs::Lockdown::kIntegrity || state == tracefs::Lockdown::kConfidentiality) {
    return Error(ErrorCode::kPermission,
                 std::string("kernel lockdown (") + tracefs::to_string(state) +
                     ", as Secure Boot sets it) forbids mapping the ivshmem device's memory",
                 "turn Secure Boot off for this guest, or boot it without lockdown=; else it is recorded "
                 "from the host only");
  }
  return tracefs::explain_denied(std::move(error));
}

/// A port without room for the memory: the device is there, but the kernel gave its BAR no address.
bool lacks_room(const std::string& dir) {
  // "0x… 0x… 0x…" of each BAR: start, end, flags; all zero for one that could not be placed.
  const Result<std::string> text = read_file(dir + "resource", 4096);
  if (!text) return false;
  const std::vector<std::string_view> lines = split(*text, '\n');
  if (lines.size() < 3) return false;
  const std::vector<std::string_view> words = split(trim(lines[2]), ' ');
  if (words.size() != 3) return false;
  const auto start = parse_u64(words[0]);
  return start && *start == 0;
}

Result<RingMemory> open_device(const std::string& sysfs, const std::string& address,
                               const std::optional<MemoryId>& let_go) {
  const std::string dir = sysfs + "/" + address + "/";
  // Of the device, not of one of its two files: it must not be taken by the other.
  IVT_ASSIGN_OR_RETURN(const MemoryId id, id_of(dir));
  if (id == let_go) return given_back("ivshmem device " + address);
  if (lacks_room(dir)) {
    return Error(ErrorCode::kNotFound,
                 "ivshmem device " + address + ": the kernel has no room for its memory in that slot",
                 "a root port needs pref64-reserve=64M, or attach a ring of 2M");
  }
  // A device without a driver is disabled: its memory reads as all ones until it is enabled.
  if (!file_says(dir + "enable", "1")) {
    Status enabled = write_control_file_at(AT_FDCWD, dir + "enable", "1");
    if (!enabled) return explain_bar(enabled.error());
  }
  Result<RingMemory> memory =
      map_ring(dir + "resource2_wc", "ivshmem device " + address + " (resource2_wc)", id);
  if (!memory && memory.error().code == ErrorCode::kNotFound) {
    memory = map_ring(dir + "resource2", "ivshmem device " + address + " (resource2)", id);
  }
  if (!memory) return explain_bar(memory.error());
  return memory;
}

}  // namespace

bool may_format(std::span<const std::byte> memory) {
  if (memory.size() < sizeof(format::RingHeader)) return false;
  // "!IVRING" and a digit: of any version.
  constexpr std::uint64_t kAnyVersion = ~0ull >> 8;
  std::uint64_t words[sizeof(format::RingHeader) / 8];
  ring::copy_words(words, memory.data(), sizeof words);
  if ((words[0] & kAnyVersion) == (format::kRingMagic & kAnyVersion)) return true;
  if (words[0] != 0) return false;
  // Untouched memory, or an agent that was killed while formatting: the magic is 0 and the rest of the page
  // is 0 but for the words that a header has.
  const std::uint64_t version = words[1] & 0xffffffff;
  if (version != 0 && version != format::kRingVersion) return false;
  for (std::size_t i = offsetof(format::RingHeader, reserved1) / 8; i < std::size(words); ++i) {
    if (words[i] != 0) return false;
  }
  return true;
}

Result<RingMemory> open_ring_file(const std::string& path, const std::optional<MemoryId>& let_go) {
  IVT_ASSIGN_OR_RETURN(const MemoryId id, id_of(path));
  if (id == let_go) return given_back("ring file " + path);
  return map_ring(path, "ring file " + path, id);
}

Result<RingMemory> open_ivshmem(const std::string& address, const std::optional<MemoryId>& let_go,
                                const std::string& sysfs) {
  Error none(ErrorCode::kNotFound,
             address.empty() ? "this guest has no ivshmem device" : "there is no ivshmem device " + address,
             "give the guest -object memory-backend-file,share=on,size=16M,mem-path=…,id=ivring -device "
             "ivshmem-plain,memdev=ivring; hot-plugging it is fine");
  IVT_ASSIGN_OR_RETURN(const std::vector<std::string> devices, list_directory(sysfs));
  Error last = none;
  for (const std::string& device : devices) {
    if (!address.empty() && device != address) continue;
    if (!file_says(sysfs + "/" + device + "/vendor", kVendor) ||
        !file_says(sysfs + "/" + device + "/device", kDevice)) {
      continue;
    }
    Result<RingMemory> memory = open_device(sysfs, device, let_go);
    if (memory) return memory;
    last = memory.error();
  }
  return last;
}

}  // namespace ivtrace::agent
