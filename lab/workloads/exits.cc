// Makes a guest leave its CPU again and again, as a driver that polls a port does.
//
// CPUID always exits on AMD's and Intel's hardware and is answered by KVM itself. A
// write to port 0x80 (the POST code's, which does nothing) goes on to QEMU.

#include <cpuid.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "options.h"

namespace {

constexpr off_t kPostPort = 0x80;

void execute_cpuid() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  __cpuid(0, a, b, c, d);
}

// The kernel writes the port: an emulated CPU may refuse it to a program, in spite of ioperm().
void write_port(int ports) {
  if (pwrite(ports, "", 1, kPostPort) != 1) ivtrace::lab::die("/dev/port");
}

}  // namespace

int main(int argc, char** argv) {
  ivtrace::lab::Options options(
      argc, argv, "Makes exits for SECONDS, by KIND (cpuid or port); prints how many. A port needs root.",
      {{"seconds", "5"}, {"kind", "cpuid"}});
  bool port = options.text("kind") == "port";
  int ports = port ? open("/dev/port", O_WRONLY | O_CLOEXEC) : -1;
  if (port && ports < 0) ivtrace::lab::die("/dev/port");
  std::uint64_t limit_ns = options.number("seconds") * 1'000'000'000;
  std::uint64_t begin = ivtrace::lab::now_ns();
  std::uint64_t now = begin;
  std::uint64_t exits = 0;
  while (now - begin < limit_ns) {
    if (port) {
      write_port(ports);
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
