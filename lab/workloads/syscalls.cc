// A tight loop of the cheapest system call: what tracing costs shows here first.

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

#include "options.h"

int main(int argc, char** argv) {
  ivtrace::lab::Options options(argc, argv,
                                "Calls getppid for SECONDS; prints how often and how long a call took.",
                                {{"seconds", "5"}});
  constexpr std::uint64_t kBatch = 1024;  // calls between two looks at the clock
  std::uint64_t begin = ivtrace::lab::now_ns();
  std::uint64_t end = begin + options.number("seconds") * 1'000'000'000;
  std::uint64_t calls = 0;
  std::uint64_t now = begin;
  while (now < end) {
    for (std::uint64_t i = 0; i < kBatch; ++i) syscall(SYS_getppid);
    calls += kBatch;
    now = ivtrace::lab::now_ns();
  }
  double elapsed = static_cast<double>(now - begin);
  std::printf("{\"calls\": %llu, \"seconds\": %.6f, \"ns_per_call\": %.2f}\n",
              static_cast<unsigned long long>(calls), elapsed / 1e9,
              calls == 0 ? 0.0 : elapsed / static_cast<double>(calls));
  return 0;
}
