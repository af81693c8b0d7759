#include "ring/shared_memory.h"

#include <gtest/gtest.h>

#include <random>

#include "ring/ring_fixture.h"

namespace ivtrace::ring {
namespace {

TEST(Geometry, OneMiBForTwoCpus) {
  const auto geometry = plan_geometry(1u << 20, 2, 7);
  ASSERT_TRUE(geometry.ok());
  EXPECT_EQ(geometry->rings_offset, format::kControlOffset + 2 * 4096);
  EXPECT_EQ(geometry->ring_bytes, 352256u);
  EXPECT_LE(geometry->rings_offset + 2 * geometry->ring_bytes, 1u << 20);
}

TEST(Geometry, TooManyCpusForTheMemorySaysWhatWouldDo) {
  const auto geometry = plan_geometry(1u << 20, 64, 7);
  ASSERT_FALSE(geometry.ok());
  EXPECT_EQ(geometry.error().code, ErrorCode::kExhausted);
  EXPECT_NE(geometry.error().hint.find("8"), std::string::npos) << geometry.error().hint;
  EXPECT_TRUE(plan_geometry(8u << 20, 64, 7).ok());
}

TEST(Geometry, WhatIsPlannedIsRead) {
  TestRing ring(3);
  const auto read = read_geometry(ring.host->memory().bytes(), "it");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->cpu_count, 3u);
  EXPECT_EQ(read->ring_bytes, ring.producer->geometry().ring_bytes);
  EXPECT_EQ(read->rings_offset, ring.producer->geometry().rings_offset);
  EXPECT_EQ(read->generation, ring.producer->geometry().generation);
}

TEST(Geometry, EachKindOfUnusableMemoryHasItsOwnError) {
  TestRing ring(1);
  format::RingHeader& header = ring.host->memory().header();
  const auto code = [&] {
    const auto geometry = read_geometry(ring.host->memory().bytes(), "ring file /dev/shm/x");
    EXPECT_FALSE(geometry.ok());
    EXPECT_NE(geometry.error().message.find("/dev/shm/x"), std::string::npos);
    EXPECT_EQ(geometry.error().message.find('\n'), std::string::npos);
    EXPECT_NE(geometry.error().hint, "");
    return geometry.error().code;
  };
  header.version = 2;
  EXPECT_EQ(code(), ErrorCode::kUnsupported);
  header.version = 1;
  header.cpu_count = 2;
  EXPECT_EQ(code(), ErrorCode::kCorrupt);
  header.cpu_count = 1;
  header.magic = 0x1234;
  EXPECT_EQ(code(), ErrorCode::kCorrupt);
  header.magic = 0;
  EXPECT_EQ(code(), ErrorCode::kNotFound);
  const auto small = read_geometry(ring.host->memory().bytes().first(4096), "ring file /dev/shm/x");
  ASSERT_FALSE(small.ok());
  EXPECT_EQ(small.error().code, ErrorCode::kExhausted);
}

TEST(Geometry, NoHeaderLeadsOutOfTheMemory) {
  TestRing ring(2);
  const SharedMemory& memory = ring.host->memory();
  std::mt19937_64 random(1);
  const std::uint64_t nasty[] = {
      0, 1, 4096, 65536, 1ull << 32, 1ull << 63, ~0ull, ~0ull - 4095, memory.bytes().size()};
  int accepted = 0;
  for (int i = 0; i < 50000; ++i) {
    const auto word = [&](std::uint64_t sane) {
      const std::uint64_t choice = random() % 4;
      if (choice == 0) return random();
      return choice == 1 ? nasty[random() % std::size(nasty)] : sane;
    };
    format::RingHeader& header = memory.header();
    header.cpu_count = static_cast<std::uint32_t>(word(2));
    header.total_bytes = word(memory.bytes().size());
    header.ring_bytes = word(format::kMinCpuRing);
    header.rings_offset = word(format::kControlOffset + 2 * 4096);
    const auto geometry = read_geometry(memory.bytes(), "it");
    if (!geometry) continue;
    ++accepted;
    for (std::uint32_t cpu = 0; cpu < geometry->cpu_count; ++cpu) {
      memory.control(*geometry, CpuId(cpu));
      const auto bytes = memory.ring(*geometry, CpuId(cpu));
      ASSERT_LE(bytes.data() + bytes.size(), memory.bytes().data() + memory.bytes().size());
      ASSERT_GE(bytes.data(), memory.bytes().data() + format::kControlOffset + 4096 * geometry->cpu_count);
    }
  }
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace ivtrace::ring
