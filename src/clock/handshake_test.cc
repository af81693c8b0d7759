#include "clock/handshake.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "base/tsc.h"

namespace ivtrace::clock {
namespace {

constexpr Nanoseconds kPatience{20'000'000'000};
constexpr Nanoseconds kShort{30'000'000};

std::unique_ptr<format::MailboxControl> mailbox() { return std::make_unique<format::MailboxControl>(); }

TEST(Handshake, TwoThreadsOfOneMachineFindOffsetZero) {
  const auto control = mailbox();
  std::uint64_t answered = 0;
  std::thread guest([&] { answered = answer_pings(*control, kPatience); });
  const std::uint64_t before = read_tsc();
  const Burst burst = run_burst(*control, 2000, kPatience, CpuId(3));
  guest.join();
  EXPECT_EQ(burst.exchanges, 2000u);
  EXPECT_EQ(answered, 2000u);
  EXPECT_EQ(burst.cpu, 3u);
  EXPECT_LE(burst.lower, 0);
  EXPECT_GE(burst.upper, 0);
  EXPECT_GE(burst.tight_t1.value, before);
  EXPECT_LE(burst.tight_t1.value, burst.guest_tsc.value);
  EXPECT_LE(burst.guest_tsc.value, burst.tight_t2.value);
  EXPECT_LE(burst.tight_t2, burst.host_tsc);
}

TEST(Handshake, TheNextBurstIsAnsweredDespiteTheEndWordOfTheLast) {
  const auto control = mailbox();
  for (int round = 0; round < 3; ++round) {
    std::thread guest([&] { answer_pings(*control, kPatience); });
    EXPECT_EQ(run_burst(*control, 100, kPatience, CpuId(0)).exchanges, 100u) << round;
    guest.join();
  }
}

TEST(Handshake, AGuestThatDoesNotAnswerCostsTheLimitOnly) {
  const auto control = mailbox();
  const Burst burst = run_burst(*control, 100, kShort, CpuId(0));
  EXPECT_EQ(burst.exchanges, 0u);
  EXPECT_EQ(control->ping_seq.load(), kPingEnd);
}

TEST(Handshake, AHostThatNeverPingsCostsTheGuestTheLimitOnly) {
  const auto control = mailbox();
  EXPECT_EQ(answer_pings(*control, kShort), 0u);
}

TEST(Handshake, AHostThatPingsWithoutEndCostsTheGuestTheLimitOnly) {
  const auto control = mailbox();
  std::atomic<bool> stop = false;
  std::thread host([&] {
    for (std::uint64_t ping = 1; !stop; ++ping) control->ping_seq.store(ping);
  });
  answer_pings(*control, kShort);  // returns
  stop = true;
  host.join();
}

// A guest that writes what it likes for as long as the burst runs.
Burst burst_against(const std::function<void(format::MailboxControl&, std::uint64_t ping)>& guest_step) {
  const auto control = mailbox();
  std::atomic<bool> stop = false;
  std::thread guest([&] {
    while (!stop) guest_step(*control, control->ping_seq.load());
  });
  const Burst burst = run_burst(*control, 200, kShort, CpuId(0));
  stop = true;
  guest.join();
  return burst;
}

TEST(Handshake, OldSequenceNumbersAreNoAnswer) {
  const Burst burst = burst_against([](format::MailboxControl& control, std::uint64_t ping) {
    control.pong_tsc.store(read_tsc());
    control.pong_seq.store(ping - 1);
  });
  EXPECT_LE(burst.exchanges,
            1u);  // the number behind a ping may be hit once, when the host moves on meanwhile
}

TEST(Handshake, GarbageTimesGiveAnEmptyOrAbsurdIntervalAndNothingWorse) {
  std::uint64_t noise = 0x9e3779b97f4a7c15ull;
  const Burst burst = burst_against([&](format::MailboxControl& control, std::uint64_t ping) {
    noise ^= noise << 13;
    noise ^= noise >> 7;
    noise ^= noise << 17;
    control.pong_tsc.store(noise);
    control.pong_seq.store(ping);
  });
  EXPECT_LE(burst.exchanges, 200u);
  if (burst.exchanges > 10) {
    EXPECT_LT(burst.upper, burst.lower);
  }
}

TEST(Handshake, AGuestThatGoesAwayInTheMiddleEndsTheBurstEarly) {
  int answers = 0;
  const Burst burst = burst_against([&](format::MailboxControl& control, std::uint64_t ping) {
    if (answers >= 10 || ping == control.pong_seq.load() || ping == 0) return;
    ++answers;
    control.pong_tsc.store(read_tsc());
    control.pong_seq.store(ping);
  });
  EXPECT_LE(burst.exchanges, 10u);  // fewer when the machine is so busy that the limit came first
  EXPECT_LE(burst.lower, burst.upper);
}

}  // namespace
}  // namespace ivtrace::clock
