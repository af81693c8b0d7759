#include "base/mapping.h"

#include <signal.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <mutex>
#include <utility>

namespace ivtrace {
namespace {

// The guard table is read by a signal handler, so it is a fixed array of lock-free words. A slot is taken by
// writing `size` then `begin` (release) and freed by zeroing `begin` first: the handler reads `begin`
// (acquire), then `size`.
struct GuardSlot {
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<std::size_t> size{0};
  std::atomic<bool> taken{false};
  std::atomic<bool> lost{false};
};

constexpr int kGuardSlots = 4096;
std::array<GuardSlot, kGuardSlots> guard_slots;
struct sigaction previous_action;

void on_sigbus(int signal_number, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (GuardSlot& slot : guard_slots) {
    const std::uintptr_t begin = slot.begin.load(std::memory_order_acquire);
    const std::size_t size = slot.size.load(std::memory_order_relaxed);
    if (begin == 0 || address < begin || address - begin >= size) continue;
    const int saved_errno = errno;
    void* zeroes = ::mmap(reinterpret_cast<void*>(begin), size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    errno = saved_errno;
    if (zeroes == MAP_FAILED) break;
    slot.lost.store(true, std::memory_order_release);
    return;
  }
  if ((previous_action.sa_flags & SA_SIGINFO) != 0 && previous_action.sa_sigaction != nullptr) {
    previous_action.sa_sigaction(signal_number, info, context);
    return;
  }
  ::sigaction(SIGBUS, &previous_action,
              nullptr);  // the faulting load runs again and meets the previous action
}

void install_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = &on_sigbus;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    ::sigemptyset(&action.sa_mask);
    IVT_CHECK(::sigaction(SIGBUS, &action, &previous_action) == 0);
  });
}

int take_slot(std::byte* data, std::size_t size) {
  for (int i = 0; i < kGuardSlots; ++i) {
    GuardSlot& slot = guard_slots[static_cast<std::size_t>(i)];
    if (slot.taken.exchange(true)) continue;
    slot.lost.store(false, std::memory_order_relaxed);
    slot.size.store(size, std::memory_order_relaxed);
    slot.begin.store(reinterpret_cast<std::uintptr_t>(data), std::memory_order_release);
    return i;
  }
  return -1;
}

void free_slot(int index) {
  GuardSlot& slot = guard_slots[static_cast<std::size_t>(index)];
  slot.begin.store(0, std::memory_order_release);
  slot.taken.store(false, std::memory_order_release);
}

Result<std::byte*> map_shared(int fd, std::uint64_t offset, std::size_t bytes, Mapping::Access access,
                              const std::string& what) {
  const int protection = access == Mapping::Access::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
  const int flags = fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
  void* data = ::mmap(nullptr, bytes, protection, flags, fd, static_cast<off_t>(offset));
  if (data == MAP_FAILED) return errno_error(errno, "cannot map " + what);
  return static_cast<std::byte*>(data);
}

}  // namespace

Result<Mapping> Mapping::of_fd(int fd, std::uint64_t offset, std::size_t bytes, Access access,
                               const std::string& what) {
  IVT_ASSIGN_OR_RETURN(std::byte * data, map_shared(fd, offset, bytes, access, what));
  return Mapping(data, bytes, -1);
}

Result<Mapping> Mapping::guarded(int fd, std::uint64_t offset, std::size_t bytes, Access access,
                                 const std::string& what) {
  install_handler();
  IVT_ASSIGN_OR_RETURN(std::byte * data, map_shared(fd, offset, bytes, access, what));
  const int slot = take_slot(data, bytes);
  if (slot < 0) {
    ::munmap(data, bytes);
    return Error(ErrorCode::kExhausted, "too many mapped files at once (" + what + ")");
  }
  return Mapping(data, bytes, slot);
}

Result<Mapping> Mapping::anonymous(std::size_t bytes) {
  return of_fd(-1, 0, bytes, Access::kReadWrite, "anonymous memory");
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      guard_(std::exchange(other.guard_, -1)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this != &other) {
    reset();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    guard_ = std::exchange(other.guard_, -1);
  }
  return *this;
}

Mapping::~Mapping() { reset(); }

void Mapping::reset() {
  if (guard_ >= 0) free_slot(guard_);
  if (data_ != nullptr) ::munmap(data_, size_);
  data_ = nullptr;
  size_ = 0;
  guard_ = -1;
}

bool Mapping::lost() const {
  return guard_ >= 0 && guard_slots[static_cast<std::size_t>(guard_)].lost.load(std::memory_order_acquire);
}

}  // namespace ivtrace
