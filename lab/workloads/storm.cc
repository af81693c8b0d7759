// Emits an exactly known number of events on every CPU.
//
// The event is a system call that nothing else makes: sched_get_priority_max,
// which the kernel shows as syscalls:sys_enter_sched_get_priority_max (and in
// raw_syscalls as number 146). Recorded alone, that event's deliveries and
// losses must add up to the counts printed here, with nothing to subtract.

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <thread>
#include <vector>

#include "options.h"

namespace {

constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr std::uint64_t kBatch = 64;  // calls between two looks at the clock

void run_on(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) ivtrace::lab::die("sched_setaffinity");
}

// Makes `count` calls on `cpu`, at most `rate` a second (0: as fast as it can).
void storm(int cpu, std::uint64_t count, std::uint64_t rate) {
  run_on(cpu);
  std::uint64_t begin = ivtrace::lab::now_ns();
  for (std::uint64_t made = 0; made < count; ++made) {
    syscall(SYS_sched_get_priority_max, SCHED_OTHER);
    if (rate == 0 || made % kBatch != 0) continue;
    std::uint64_t due =
        begin + static_cast<std::uint64_t>(static_cast<__uint128_t>(made) * kNanosecondsPerSecond / rate);
    std::uint64_t now = ivtrace::lab::now_ns();
    if (now < due) usleep(static_cast<useconds_t>((due - now) / 1000));
  }
}

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) ivtrace::lab::die("sched_getaffinity");
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

}  // namespace

int main(int argc, char** argv) {
  ivtrace::lab::Options options(argc, argv,
                                "Makes COUNT sched_get_priority_max calls on each CPU; prints how many.",
                                {{"count", "100000"}, {"rate", "0"}});
  std::uint64_t count = options.number("count");
  std::uint64_t rate = options.number("rate");
  std::vector<int> cpus = allowed_cpus();
  std::uint64_t begin = ivtrace::lab::now_ns();
  std::vector<std::thread> threads;
  for (int cpu : cpus) threads.emplace_back(storm, cpu, count, rate);
  for (std::thread& thread : threads) thread.join();
  double seconds = static_cast<double>(ivtrace::lab::now_ns() - begin) / kNanosecondsPerSecond;

  std::printf("{\"event\": \"syscalls:sys_enter_sched_get_priority_max\", \"seconds\": %.6f, \"counts\": {",
              seconds);
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    std::printf("%s\"%d\": %llu", i == 0 ? "" : ", ", cpus[i], static_cast<unsigned long long>(count));
  }
  std::printf("}}\n");
  return 0;
}
