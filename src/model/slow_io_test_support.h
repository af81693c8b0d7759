// A made run in which a guest's disk becomes slow, for the tests of what is said about it.
#pragma once

#include "model/io_test_support.h"

namespace ivtrace::model {

inline constexpr std::uint64_t kMs = 1'000'000;  ///< of a MadeIo with anchors
inline constexpr std::uint64_t kSlowFrom = 3000 * kMs;
inline constexpr std::uint64_t kSlowUntil = 5000 * kMs;

/// For 3 s vm1 has the device alone and each of its reads takes 150 us there and back; then for 2 s they take
/// 2 ms more in the device, which has four writes of vm2's and one of the host's `task` all the while.
inline void fill_contention(MadeIo& made, const std::string& task = "backup") {
  constexpr std::uint64_t kUs = 1000;
  constexpr std::uint32_t kCount = 128;
  for (std::uint64_t at = 0; at < kSlowUntil; at += 50 * kMs) {
    const bool is_slow = at >= kSlowFrom;
    const std::uint64_t issued = at + 30 * kUs;
    const std::uint64_t done = issued + (is_slow ? 2100 : 100) * kUs;
    made.guest(at, kQueueId, 100);
    made.guest(at + 10 * kUs, kIssueId, 100);
    made.host(issued, kQueueId, 100);
    made.host(issued, kIssueId, 100);
    const auto others = [&](std::uint64_t when, MadeIoEvent id) {
      for (std::uint64_t i = 0; is_slow && i < 5; ++i) {
        const bool is_guest = i < 4;
        made.event("host", when + i, id, kHostDevice, 50'000 + i * kCount, kCount, "W", is_guest ? kQemu2 : 9,
                   is_guest ? "qemu" : task);
      }
    };
    others(issued + 1, kIssueId);
    others(done - 10, kCompleteId);
    made.host(done, kCompleteId, 100);
    made.guest(done + 20 * kUs, kCompleteId, 100);
  }
}

}  // namespace ivtrace::model
