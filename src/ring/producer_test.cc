#include "ring/producer.h"

#include <gtest/gtest.h>

#include "ring/ring_fixture.h"

namespace ivtrace::ring {
namespace {

using format::ChunkHeader;

ChunkHeader header_at(const TestRing& ring, std::uint64_t place) {
  ChunkHeader header;
  std::memcpy(&header, ring.host->memory().ring(ring.producer->geometry(), CpuId(0)).data() + place,
              sizeof header);
  return header;
}

TEST(Producer, AChunkLiesInTheRingAsThePageSays) {
  TestRing ring(1);
  const auto image = page_image(0, 0, 20);
  ASSERT_TRUE(ring.producer->cpu(CpuId(0)).push(5, 0, image, format::kChunkSealed | format::kChunkMissed, 0));
  const ChunkHeader header = header_at(ring, 0);
  EXPECT_EQ(header.magic, format::kChunkMagic);
  EXPECT_EQ(header.bytes, 20u);
  EXPECT_EQ(header.generation, ring.producer->geometry().generation);
  EXPECT_EQ(header.sequence, 0u);
  EXPECT_EQ(header.page, 5u);
  EXPECT_EQ(header.offset, 0u);
  EXPECT_EQ(header.flags, format::kChunkSealed | format::kChunkMissed);
  const auto bytes = ring.host->memory().ring(ring.producer->geometry(), CpuId(0));
  EXPECT_EQ(std::memcmp(bytes.data() + sizeof header, image.data(), image.size()), 0);
  const format::CpuControl& control = ring.host->memory().control(ring.producer->geometry(), CpuId(0));
  EXPECT_EQ(control.head, 72u);
  EXPECT_EQ(control.chunks, 1u);
}

TEST(Producer, PaddingFillsTheEndOfTheRing) {
  TestRing ring(1);
  auto consumer = ring.attach();
  KeepingSink sink;
  const std::size_t room = format::kMinCpuRing;
  // 4 chunks of 16048 leave 1344 at the end; the next one goes to the start.
  for (std::uint64_t page = 0; page < 4; ++page) ASSERT_TRUE(ring.push(0, page, 16000));
  ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  ASSERT_TRUE(ring.push(0, 4, 2000));
  const ChunkHeader padding = header_at(ring, 4 * 16048);
  EXPECT_EQ(padding.flags, format::kChunkPadding);
  EXPECT_EQ(4 * 16048 + sizeof(ChunkHeader) + padding.bytes, room);
  EXPECT_EQ(header_at(ring, 0).page, 4u);
}

TEST(Producer, AFullRingTakesNothingAndCountsTheStall) {
  TestRing ring(1);
  auto consumer = ring.attach();
  std::uint64_t pages = 0;
  while (ring.push(0, pages, 4000)) ++pages;
  EXPECT_EQ(pages, format::kMinCpuRing / 4048);
  const format::CpuControl& control = ring.host->memory().control(ring.producer->geometry(), CpuId(0));
  const std::uint64_t head = control.head;
  EXPECT_FALSE(ring.push(0, pages, 4000));
  EXPECT_EQ(control.head, head);
  EXPECT_EQ(control.stalled, 2u);
  KeepingSink sink;
  ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  EXPECT_TRUE(ring.push(0, pages, 4000));
}

TEST(Producer, AnEmptyRingTakesTheLongestPayloadWhereverHeadStands) {
  TestRing ring(1);
  auto consumer = ring.attach();
  KeepingSink sink;
  std::uint64_t page = 0;
  for (std::size_t bytes = 16; bytes < 3000; bytes += 8) {
    ASSERT_TRUE(ring.push(0, page++, bytes));
    ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
    ASSERT_TRUE(ring.push(0, page++, ring.producer->cpu(CpuId(0)).max_payload()));
    ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
    sink.forget();
  }
}

TEST(Producer, ATailThatCannotBeFreesNothing) {
  TestRing ring(1);
  while (ring.push(0, 0, 4000)) {
  }
  format::CpuControl& control = ring.host->memory().control(ring.producer->geometry(), CpuId(0));
  for (const std::uint64_t tail :
       {control.head + std::uint64_t{8}, ~std::uint64_t{0}, std::uint64_t{1} << 40}) {
    control.tail = tail;
    EXPECT_FALSE(ring.push(0, 0, 4000)) << tail;
  }
}

TEST(Producer, FormattingAgainTakesTheOldOneOutOfService) {
  TestRing ring(2);
  const Producer old = *ring.producer;
  EXPECT_TRUE(old.intact());
  ring.start_agent();
  EXPECT_FALSE(old.intact());
  EXPECT_TRUE(ring.producer->intact());
}

TEST(Producer, HostWordsAreSeen) {
  TestRing ring(1);
  EXPECT_EQ(ring.producer->host_session(), 0u);
  ring.host->beat();
  EXPECT_EQ(ring.producer->host_session(), ring.host->session());
  const std::uint64_t before = ring.producer->host_heartbeat();
  ring.host->beat();
  EXPECT_GT(ring.producer->host_heartbeat(), before);
}

}  // namespace
}  // namespace ivtrace::ring
