#include "ring/consumer.h"

#include <gtest/gtest.h>

#include <random>

#include "base/tsc.h"
#include "ring/ring_fixture.h"

namespace ivtrace::ring {
namespace {

using format::ChunkHeader;
using format::kChunkSealed;

std::byte* ring_bytes(TestRing& ring) {
  return ring.host->memory().ring(ring.producer->geometry(), CpuId(0)).data();
}
format::CpuControl& control(TestRing& ring, std::uint32_t cpu = 0) {
  return ring.host->memory().control(ring.producer->geometry(), CpuId(cpu));
}
// Overwrites one field of the chunk at `place`.
template <class T>
void damage(TestRing& ring, std::size_t place, std::size_t field, T value) {
  std::memcpy(ring_bytes(ring) + place + field, &value, sizeof value);
}

TEST(CopyRing, DeliversWhatWasPushed) {
  TestRing ring(2);
  auto consumer = ring.attach();
  KeepingSink sink;
  ASSERT_TRUE(ring.push(1, 0, 100));
  ASSERT_TRUE(ring.push(0, 0, 4096));
  ASSERT_TRUE(ring.push(1, 1, 33));
  const auto progress = consumer->poll(sink, kNoBudget);
  ASSERT_TRUE(progress.ok());
  EXPECT_EQ(progress->bytes, 100u + 4096 + 33);
  EXPECT_EQ(progress->pieces, 3u);
  EXPECT_FALSE(progress->more);
  ASSERT_EQ(sink.pages.size(), 3u);
  for (const auto& page : sink.pages)
    EXPECT_EQ(page.image, page_image(page.cpu, page.page, page.image.size()));
  EXPECT_EQ(consumer->poll(sink, kNoBudget)->pieces, 0u);
  EXPECT_TRUE(sink.losses.empty());
  EXPECT_EQ(consumer->fill(), 0.0);
}

TEST(CopyRing, ContinuationsBuildThePage) {
  TestRing ring(1);
  auto consumer = ring.attach();
  KeepingSink sink;
  const auto image = page_image(0, 9, 600);
  CpuProducer& cpu = ring.producer->cpu(CpuId(0));
  const std::span<const std::byte> bytes(image);
  ASSERT_TRUE(cpu.push(9, 0, bytes.first(16), format::kChunkMissed | format::kChunkMissedCounted, 42));
  ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  ASSERT_TRUE(cpu.push(9, 16, bytes.subspan(16, 400), 0));
  ASSERT_TRUE(cpu.push(9, 416, bytes.subspan(416), 0));
  ASSERT_TRUE(cpu.push(9, 600, {}, kChunkSealed));
  ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  ASSERT_EQ(sink.pages.size(), 1u);
  EXPECT_EQ(sink.pages[0].image, image);
  EXPECT_TRUE(sink.pages[0].sealed);
  EXPECT_TRUE(sink.pages[0].missed);
  EXPECT_EQ(sink.pages[0].missed_count, 42u);
  EXPECT_TRUE(sink.losses.empty());
}

TEST(CopyRing, TheBudgetBoundsAPollAndTheCpusTakeTurns) {
  TestRing ring(2);
  auto consumer = ring.attach();
  for (std::uint64_t page = 0; page < 10; ++page) {
    ASSERT_TRUE(ring.push(0, page, 1000));
    ASSERT_TRUE(ring.push(1, page, 1000));
  }
  KeepingSink sink;
  const auto progress = consumer->poll(sink, 2000);
  ASSERT_TRUE(progress.ok());
  EXPECT_TRUE(progress->more);
  EXPECT_EQ(progress->pieces, 2u);
  ASSERT_TRUE(consumer->poll(sink, 2000).ok());
  ASSERT_EQ(sink.pages.size(), 4u);
  EXPECT_EQ(sink.pages[1].cpu, 0u);
  EXPECT_EQ(sink.pages[2].cpu, 1u);
  ASSERT_TRUE(consumer->poll(sink, 0).ok());
  EXPECT_EQ(sink.pages.size(), 5u);  // even without any budget there is progress
}

TEST(CopyRing, BytesAreReleasedOnlyAfterTheSinkTookThem) {
  TestRing ring(1);
  auto consumer = ring.attach();
  KeepingSink sink;
  ASSERT_TRUE(ring.push(0, 0, 100));
  ASSERT_TRUE(ring.push(0, 1, 100));
  sink.fail_next = 2;
  const auto failed = consumer->poll(sink, kNoBudget);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, ErrorCode::kExhausted);
  EXPECT_EQ(control(ring).tail, format::chunk_span(100));
  ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  ASSERT_EQ(sink.pages.size(), 2u);
  EXPECT_EQ(sink.pages[1].page, 1u);
  EXPECT_TRUE(sink.losses.empty());
}

TEST(CopyRing, ARecorderAfterADeadOneGetsWhatThatHadNotSaved) {
  TestRing ring(1);
  KeepingSink sink;
  {
    auto dead = ring.attach();
    ASSERT_TRUE(ring.push(0, 0, 100));
    ASSERT_TRUE(dead->poll(sink, kNoBudget).ok());
    ASSERT_TRUE(ring.push(0, 1, 100));
  }
  ASSERT_TRUE(ring.push(0, 2, 100));
  auto next = ring.attach();
  ASSERT_TRUE(next->poll(sink, kNoBudget).ok());
  ASSERT_EQ(sink.pages.size(), 3u);
  EXPECT_EQ(sink.pages[2].page, 2u);
  EXPECT_TRUE(sink.losses.empty());
}

TEST(CopyRing, ANewRecordingBeginsAtSequenceZero) {
  TestRing ring(1);
  KeepingSink sink;
  ASSERT_TRUE(ring.push(0, 0, 100));
  auto consumer = ring.attach();
  consumer->skip_all();
  ASSERT_TRUE(ring.push(0, 1, 200));  // the agent ends the recording that a dead recorder had begun
  ring.producer->cpu(CpuId(0)).reset();
  ASSERT_TRUE(ring.push(0, 0, 300));
  ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  ASSERT_EQ(sink.pages.size(), 1u);
  EXPECT_EQ(sink.pages[0].image.size(), 300u);
  EXPECT_TRUE(sink.losses.empty());
}

TEST(CopyRing, DamageAtTheStartOfARecordingDoesNotSilenceTheRest) {
  TestRing ring(1);
  auto consumer = ring.attach();
  consumer->skip_all();
  ASSERT_TRUE(ring.push(0, 0, 100));
  damage(ring, 0, offsetof(ChunkHeader, magic), 0u);
  KeepingSink sink;
  ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  ASSERT_TRUE(ring.push(0, 1, 100));
  ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  ASSERT_EQ(sink.pages.size(), 1u);
  EXPECT_EQ(sink.pages[0].page, 1u);
  EXPECT_EQ(sink.losses_of(PlaneLossReason::kCorruptChunk), 1u);
}

TEST(CopyRing, AnAgentStartedAgainIsFollowed) {
  TestRing ring(2);
  auto consumer = ring.attach();
  KeepingSink sink;
  ASSERT_TRUE(ring.push(0, 0, 5000));
  ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  ASSERT_TRUE(ring.push(0, 1, 5000));
  const std::uint64_t generation = consumer->generation();

  ring.host->memory().header().magic = 0;
  const auto formatting = consumer->poll(sink, kNoBudget);
  ASSERT_TRUE(formatting.ok());
  EXPECT_EQ(formatting->pieces, 0u);

  ring.cpu_count = 1;
  ring.start_agent();
  ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  EXPECT_NE(consumer->generation(), generation);
  EXPECT_EQ(consumer->cpu_count(), 1u);
  ASSERT_EQ(sink.losses.size(), 1u);
  EXPECT_EQ(sink.losses[0].reason, PlaneLossReason::kNewGeneration);
  EXPECT_FALSE(sink.losses[0].cpu.has_value());
  ASSERT_TRUE(ring.push(0, 0, 100));
  ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  EXPECT_EQ(sink.pages.size(), 2u);
  EXPECT_EQ(sink.losses.size(), 1u);
}

TEST(CopyRing, AnAgentOfAnotherVersionIsAnErrorUntilItGoes) {
  TestRing ring(1);
  auto consumer = ring.attach();
  KeepingSink sink;
  ring.host->memory().header().generation = 1;
  ring.host->memory().header().version = 9;
  const auto refused = consumer->poll(sink, kNoBudget);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  ring.start_agent();
  EXPECT_TRUE(consumer->poll(sink, kNoBudget).ok());
}

struct Damage {
  const char* name;
  std::size_t field;
  std::uint32_t value;
};

class BrokenChunk : public testing::TestWithParam<Damage> {};

TEST_P(BrokenChunk, IsSkippedWithAllBehindItAndNoted) {
  TestRing ring(2);
  auto consumer = ring.attach();
  KeepingSink sink;
  for (std::uint64_t page = 0; page < 3; ++page) ASSERT_TRUE(ring.push(0, page, 100));
  ASSERT_TRUE(ring.push(1, 0, 100));
  damage(ring, format::chunk_span(100), GetParam().field, GetParam().value);
  ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  ASSERT_EQ(sink.losses.size(), 1u);
  EXPECT_EQ(sink.losses[0].reason, PlaneLossReason::kCorruptChunk);
  EXPECT_EQ(sink.losses[0].cpu, CpuId(0));
  EXPECT_EQ(sink.losses[0].bytes, 2 * format::chunk_span(100));
  EXPECT_EQ(sink.pages.size(), 2u);  // page 0 of CPU 0, and CPU 1's
  ASSERT_TRUE(ring.push(0, 3, 100));
  ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  EXPECT_EQ(sink.pages.back().page, 3u);
  EXPECT_EQ(sink.losses.size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    CopyRing, BrokenChunk,
    testing::Values(Damage{"magic", offsetof(ChunkHeader, magic), 1},
                    Damage{"length_behind_head", offsetof(ChunkHeader, bytes), 100 + 200},
                    Damage{"length_wraps", offsetof(ChunkHeader, bytes), 0xffffffff},
                    Damage{"generation", offsetof(ChunkHeader, generation), 1},
                    Damage{"offset", offsetof(ChunkHeader, offset), format::kMaxSubBuffer},
                    Damage{"no_header", offsetof(ChunkHeader, bytes), 8},
                    Damage{"padding_in_the_middle", offsetof(ChunkHeader, flags), format::kChunkPadding}),
    [](const auto& info) { return info.param.name; });

TEST(CopyRing, PositionsThatCannotBeAreSkipped) {
  for (const std::uint64_t head : {8ull, 40ull, 1001ull, 1ull << 40, ~0ull, ~0ull - 7}) {
    TestRing ring(1);
    auto consumer = ring.attach();
    KeepingSink sink;
    ASSERT_TRUE(ring.push(0, 0, 100));
    const std::uint64_t good = control(ring).head;
    control(ring).head = head;
    ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
    EXPECT_EQ(sink.losses_of(PlaneLossReason::kCorruptChunk), 1u) << head;
    ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
    control(ring).head = good;  // goes backwards
    ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
    ASSERT_TRUE(ring.push(0, 1, 100));
    ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
    EXPECT_EQ(sink.pages.back().page, 1u) << head;
  }
}

TEST(CopyRing, AGapInTheSequenceIsToldBeforeThePieceBehindIt) {
  TestRing ring(1);
  auto consumer = ring.attach();
  for (std::uint64_t page = 0; page < 3; ++page) ASSERT_TRUE(ring.push(0, page, 100));
  damage(ring, 2 * format::chunk_span(100), offsetof(ChunkHeader, sequence), std::uint64_t{7});
  KeepingSink sink;
  sink.fail_next = 3;  // the sink fails at the piece behind the gap: the gap must not be told twice
  ASSERT_FALSE(consumer->poll(sink, kNoBudget).ok());
  EXPECT_EQ(sink.losses_of(PlaneLossReason::kSequenceGap), 1u);
  EXPECT_EQ(sink.pages.size(), 2u);
  ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  EXPECT_EQ(sink.losses_of(PlaneLossReason::kSequenceGap), 1u);
  EXPECT_EQ(sink.pages.size(), 3u);
}

TEST(CopyRing, AContinuationWithoutItsBeginningIsDroppedAndNoted) {
  TestRing ring(1);
  auto consumer = ring.attach();
  CpuProducer& cpu = ring.producer->cpu(CpuId(0));
  const auto image = page_image(0, 0, 64);
  ASSERT_TRUE(cpu.push(0, 16, image, 0));  // nothing before it
  ASSERT_TRUE(cpu.push(1, 0, image, 0));
  ASSERT_TRUE(cpu.push(1, 72, image, 0));  // leaves a hole
  ASSERT_TRUE(cpu.push(1, 136, image, kChunkSealed));
  ASSERT_TRUE(cpu.push(2, 0, image, kChunkSealed));
  ASSERT_TRUE(cpu.push(2, 64, image, 0));  // behind the seal
  ASSERT_TRUE(cpu.push(3, 0, image, 0));
  KeepingSink sink;
  ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  EXPECT_EQ(sink.losses_of(PlaneLossReason::kSequenceGap), 4u);
  ASSERT_EQ(sink.pages.size(), 3u);
  EXPECT_EQ(sink.pages[0].image.size(), 64u);
  EXPECT_EQ(sink.pages[2].page, 3u);
}

TEST(CopyRing, ALivingAgentIsToldFromASilentOne) {
  TestRing ring(1);
  auto consumer = ring.attach();
  KeepingSink sink;
  EXPECT_TRUE(consumer->agent_alive());
  const Nanoseconds silence = consumer->agent_silence();
  ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  EXPECT_GE(consumer->agent_silence(), silence);
  const Nanoseconds longer = consumer->agent_silence();
  ring.producer->heartbeat();
  ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  EXPECT_GE(consumer->agent_silence().value, 0);
  EXPECT_GE(longer.value, silence.value);
}

// The agent's TSC is this machine's own here, so each heartbeat must lie within its bounds.
TEST(CopyRing, HeartbeatsTellWhenTheAgentReadItsClock) {
  TestRing ring(1);
  auto consumer = ring.attach();
  KeepingSink sink;
  const HostTsc start(read_tsc());
  std::vector<Heartbeat> seen;
  for (int i = 0; i < 300; ++i) {
    if (i % 3 == 0) ring.producer->heartbeat();
    ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
    if (i % 50 != 49) continue;
    for (const Heartbeat& beat : consumer->take_heartbeats()) seen.push_back(beat);
  }
  EXPECT_TRUE(consumer->take_heartbeats().empty());
  // The first one that is seen has none before it that would bound it.
  ASSERT_EQ(seen.size(), 99u);
  HostTsc last = start;
  for (const Heartbeat& beat : seen) {
    EXPECT_LT(beat.not_before.value, beat.guest_tsc.value);
    EXPECT_LT(beat.guest_tsc.value, beat.not_after.value);
    EXPECT_GT(beat.guest_tsc.value, last.value);
    last = HostTsc(beat.guest_tsc.value);
  }
}

TEST(CopyRing, HeartbeatsOfAnAgentThatIsHeldUpAreNotCutShort) {
  TestRing ring(1);
  auto consumer = ring.attach();
  KeepingSink sink;
  format::RingHeader& header = ring.host->memory().header();
  for (int i = 0; i < 2; ++i) {
    ring.producer->heartbeat();
    ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  }
  consumer->take_heartbeats();
  const std::uint64_t read = read_tsc();  // … and then it does not run for many polls
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  header.agent_heartbeat.store(read, std::memory_order_relaxed);
  ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
  const auto beats = consumer->take_heartbeats();
  ASSERT_EQ(beats.size(), 1u);
  EXPECT_LT(beats[0].not_before.value, read);
}

// Random interleavings of pushes (whole pages and growing ones, all sizes), polls (all budgets) and failing
// sinks on small rings: each image arrives whole, in order, once.
TEST(CopyRing, AnyInterleavingDeliversAllInOrder) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    std::mt19937_64 random(seed);
    TestRing ring(2);
    auto consumer = ring.attach();
    KeepingSink sink;
    struct Growing {
      std::uint64_t page = 0;
      std::vector<std::byte> image;
      std::size_t pushed = 0;
    };
    Growing growing[2];
    std::vector<std::vector<std::byte>> sent[2];
    for (int step = 0; step < 3000; ++step) {
      if (random() % 4 != 0) {
        const std::uint32_t cpu = random() % 2;
        Growing& now = growing[cpu];
        CpuProducer& producer = ring.producer->cpu(CpuId(cpu));
        if (now.image.empty()) now.image = page_image(cpu, now.page, 16 + random() % 9000);
        const std::size_t left = now.image.size() - now.pushed;
        std::size_t piece = random() % 3 == 0 ? left : std::min<std::size_t>(left, 16 + random() % 700);
        const bool last = piece == left;
        if (producer.push(now.page, static_cast<std::uint32_t>(now.pushed),
                          std::span(now.image).subspan(now.pushed, piece), last ? kChunkSealed : 0u)) {
          now.pushed += piece;
          if (last) {
            sent[cpu].push_back(std::move(now.image));
            now = {now.page + 1, {}, 0};
          }
        }
      } else {
        if (random() % 8 == 0) sink.fail_next = 1 + static_cast<int>(random() % 5);
        (void)consumer->poll(sink, random() % 20000).ok();
      }
    }
    sink.fail_next = 0;
    while (consumer->poll(sink, 5000)->more) {
    }
    std::size_t got[2] = {};
    for (const auto& page : sink.pages) {
      if (!page.sealed) continue;
      ASSERT_LT(got[page.cpu], sent[page.cpu].size());
      ASSERT_EQ(page.page, got[page.cpu]) << "seed " << seed;
      ASSERT_EQ(page.image, sent[page.cpu][got[page.cpu]]) << "seed " << seed;
      ++got[page.cpu];
    }
    EXPECT_EQ(got[0], sent[0].size());
    EXPECT_EQ(got[1], sent[1].size());
    EXPECT_GT(got[0] + got[1], 200u);
    EXPECT_TRUE(sink.losses.empty()) << "seed " << seed << ": " << sink.losses[0].detail;
  }
}

}  // namespace
}  // namespace ivtrace::ring
