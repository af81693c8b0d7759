#include "agent/pulse.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <thread>

namespace ivtrace::agent {
namespace {

TEST(Pulse, beats_until_it_ends) {
  alignas(4096) static std::array<std::byte, 1 << 20> memory;
  auto producer = ring::Producer::format(memory, 1, 1);
  ASSERT_TRUE(producer.ok()) << producer.error().to_string();
  const auto beat = [&] {
    return producer->memory().header().agent_heartbeat.load(std::memory_order_relaxed);
  };
  const std::uint64_t before = beat();
  std::optional<Pulse> pulse(*producer);
  for (int i = 0; i < 200 && beat() == before; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_NE(beat(), before);
  pulse.reset();
  const std::uint64_t last = beat();
  std::this_thread::sleep_for(std::chrono::milliseconds(1200));
  EXPECT_EQ(beat(), last);
}

TEST(Pulse, ends_at_once) {
  alignas(4096) static std::array<std::byte, 1 << 20> memory;
  auto producer = ring::Producer::format(memory, 1, 1);
  ASSERT_TRUE(producer.ok());
  for (int i = 0; i < 100; ++i) const Pulse pulse(*producer);
}

}  // namespace
}  // namespace ivtrace::agent
