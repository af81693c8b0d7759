// A program to set probes on: a function that is called a known number of times with known arguments, and two
// USDT probes beside each call.

#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "options.h"

// Called as it stands: neither inlined nor replaced by a copy for the arguments at hand.
#ifdef __clang__
#define LAB_PROBED __attribute__((noinline))
#else
#define LAB_PROBED __attribute__((noipa))
#endif

// The kernel raises a probe's semaphore while somebody listens. `guarded` is passed only then, `counted`
// always.
extern "C" {
unsigned short lab_guarded_semaphore __attribute__((section(".probes"))) = 0;
unsigned short lab_counted_semaphore __attribute__((section(".probes"))) = 0;

// Its name and its arguments' registers are what the tests probe. Returns twice the turn.
LAB_PROBED std::uint64_t lab_turn(std::uint64_t turn, const char* label, int below) {
  asm volatile("" : : "r"(turn), "r"(label), "r"(below) : "memory");
  return 2 * turn;
}
}

namespace {

// How often the semaphore was found raised: what the program itself knows of its listeners.
std::uint64_t take_turn(std::uint64_t turn, const char* label) {
  const std::uint64_t doubled = lab_turn(turn, label, -static_cast<int>(turn));
  DTRACE_PROBE3(lab, counted, turn, doubled, label);
  if (*static_cast<volatile unsigned short*>(&lab_guarded_semaphore) == 0) return 0;
  DTRACE_PROBE1(lab, guarded, turn);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  ivtrace::lab::Options options(argc, argv,
                                "Calls lab_turn(turn, label, -turn) TURNS times; prints what it did.",
                                {{"turns", "1000"}, {"label", "ivtrace"}});
  const std::uint64_t turns = options.number("turns");
  const std::string label = options.text("label");
  std::uint64_t listened = 0;
  for (std::uint64_t turn = 0; turn < turns; ++turn) listened += take_turn(turn, label.c_str());
  std::printf("{\"turns\": %llu, \"listened\": %llu}\n", static_cast<unsigned long long>(turns),
              static_cast<unsigned long long>(listened));
  return 0;
}
