// Makes a guest leave its CPU again and again, as a driver that polls a register does.
//
// CPUID always exits on AMD's and Intel's hardware and is answered by KVM itself. A read of a register of the
// guest's ivshmem device (IVPosition: reading it changes nothing) goes on to QEMU.

#include <cpuid.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "options.h"

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPage = 4096;
constexpr std::size_t kIvPosition = 8 / sizeof(std::uint32_t);  // QEMU's docs/specs/ivshmem-spec

std::string first_word(const fs::path& path) {
  std::string word;
  std::ifstream(path) >> word;
  return word;
}

// The registers of the first ivshmem device, mapped for the life of the program; ends it when there is none.
const volatile std::uint32_t* ivshmem_registers() {
  std::error_code none;
  for (const fs::directory_entry& device : fs::directory_iterator("/sys/bus/pci/devices", none)) {
    if (first_word(device.path() / "vendor") != "0x1af4" || first_word(device.path() / "device") != "0x1110")
      continue;
    int fd = open((device.path() / "resource0").c_str(), O_RDWR | O_SYNC | O_CLOEXEC);
    void* mapped = fd < 0 ? MAP_FAILED : mmap(nullptr, kPage, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) ivtrace::lab::die(device.path().string() + "/resource0");
    return static_cast<const volatile std::uint32_t*>(mapped);
  }
  errno = ENODEV;
  ivtrace::lab::die("ivshmem");
}

void execute_cpuid() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  __cpuid(0, a, b, c, d);
}

}  // namespace

int main(int argc, char** argv) {
  ivtrace::lab::Options options(
      argc, argv,
      "Makes exits for SECONDS, by KIND (cpuid, or register); prints how many. A register needs root.",
      {{"seconds", "5"}, {"kind", "cpuid"}});
  const volatile std::uint32_t* registers =
      options.text("kind") == "register" ? ivshmem_registers() : nullptr;
  std::uint64_t limit_ns = options.number("seconds") * 1'000'000'000;
  std::uint64_t begin = ivtrace::lab::now_ns();
  std::uint64_t now = begin;
  std::uint64_t exits = 0;
  while (now - begin < limit_ns) {
    if (registers != nullptr) {
      static_cast<void>(registers[kIvPosition]);
    } else {
      execute_cpuid();
    }
    ++exits;
    now = ivtrace::lab::now_ns();
  }
  double elapsed = static_cast<double>(now - begin);
  std::printf("{\"exits\": %llu, \"seconds\": %.6f, \"ns_per_exit\": %.1f}\n",
              static_cast<unsigned long long>(exits), elapsed / 1e9,
              exits == 0 ? 0.0 : elapsed / static_cast<double>(exits));
  return 0;
}
