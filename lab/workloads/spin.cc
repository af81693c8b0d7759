// Computes and does nothing else: a CPU's noisy neighbour, and a guest whose work is its CPU's.

#include <cstdio>

#include "options.h"
#include "stretches.h"

int main(int argc, char** argv) {
  ivtrace::lab::Options options(
      argc, argv, "Computes for SECONDS; prints how many rounds it made, by STRETCH-MS if given.",
      {{"seconds", "5"}, {"stretch-ms", "0"}});
  constexpr int kRound = 20'000;  // steps between two looks at the clock
  ivtrace::lab::Stretches stretches(options.number("stretch-ms") * 1'000'000);
  std::uint64_t limit_ns = options.number("seconds") * 1'000'000'000;
  std::uint64_t begin = ivtrace::lab::now_ns();
  std::uint64_t now = begin;
  std::uint64_t rounds = 0;
  volatile std::uint64_t value = 1;
  while (now - begin < limit_ns) {
    for (int i = 0; i < kRound; ++i) value = value * 6364136223846793005 + 1442695040888963407;
    std::uint64_t before = now;
    now = ivtrace::lab::now_ns();
    stretches.add(now - begin, now - before);
    ++rounds;
  }
  std::printf("{\"rounds\": %llu, \"seconds\": %.6f%s}\n", static_cast<unsigned long long>(rounds),
              static_cast<double>(now - begin) / 1e9, stretches.json().c_str());
  return 0;
}
