// Threads that mark the trace with include/ivtrace/mark.h, and know how often each mark was taken.

#include <ivtrace/mark.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "options.h"

namespace {

std::atomic<std::uint64_t> taken{0};

void mark(std::uint64_t rounds) {
  std::uint64_t mine = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    mine += static_cast<std::uint64_t>(ivtrace_mark_begin("outer"));
    mine += static_cast<std::uint64_t>(ivtrace_mark_begin("in|ner"));
    mine += static_cast<std::uint64_t>(ivtrace_mark_instant(std::to_string(round).c_str()));
    mine += static_cast<std::uint64_t>(ivtrace_mark_end());
    mine += static_cast<std::uint64_t>(ivtrace_mark_counter("round", static_cast<std::int64_t>(round)));
    mine += static_cast<std::uint64_t>(ivtrace_mark_end());
  }
  taken += mine;
}

}  // namespace

int main(int argc, char** argv) {
  ivtrace::lab::Options options(argc, argv, "Marks the trace ROUNDS times in each thread, six marks a round.",
                                {{"rounds", "100"}, {"threads", "2"}});
  const std::uint64_t rounds = options.number("rounds");
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < options.number("threads"); ++i) threads.emplace_back(mark, rounds);
  for (std::thread& thread : threads) thread.join();
  std::printf("{\"pid\": %d, \"taken\": %llu}\n", static_cast<int>(::getpid()),
              static_cast<unsigned long long>(taken.load()));
  return 0;
}
