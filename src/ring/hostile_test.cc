// A guest that writes anything anywhere: the consumer and the mailbox client neither crash, nor hang, nor
// read outside of the memory, nor do more work per poll than the budget says, nor make losses without bound.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "ring/mailbox.h"
#include "ring/ring_fixture.h"

namespace ivtrace::ring {
namespace {

using format::ChunkHeader;

// Keeps only figures, and stops the program when a piece breaks what PagePiece promises.
class CheckingSink : public PageSink {
 public:
  explicit CheckingSink(std::span<const std::byte> memory) : memory_(memory) {}
  Status on_piece(const PagePiece& piece) override {
    ++pieces;
    IVT_CHECK(piece.bytes.data() >= memory_.data());
    IVT_CHECK(piece.bytes.data() + piece.bytes.size() <= memory_.data() + memory_.size());
    IVT_CHECK(piece.offset + piece.bytes.size() <= format::kMaxSubBuffer);
    Open& open = open_[piece.cpu.value];
    if (piece.offset == 0) {
      IVT_CHECK(piece.bytes.size() >= format::kSubBufferHeader);
    } else {
      IVT_CHECK(open.page == piece.page && open.next == piece.offset);
    }
    open = {piece.page, piece.offset + piece.bytes.size()};
    return {};
  }
  Status on_loss(const PlaneLoss& loss) override {
    ++loss_lines;
    losses += loss.count;
    return {};
  }
  std::uint64_t pieces = 0, loss_lines = 0, losses = 0;

 private:
  struct Open {
    std::uint64_t page = 0;
    std::size_t next = 0;
  };
  std::span<const std::byte> memory_;
  std::map<std::uint32_t, Open> open_;
};

// A word as somebody would choose it who knows the layout.
std::uint64_t nasty_word(std::mt19937_64& random, std::uint64_t near) {
  switch (random() % 8) {
    case 0:
      return random();
    case 1:
      return ~0ull;
    case 2:
      return 1ull << (random() % 64);
    case 3:
      return format::kChunkMagic | random() % 5000 << 32;
    case 4:
      return near + 8 * (random() % 64);
    case 5:
      return near - 8 * (random() % 64);
    default:
      return random() % 70000;
  }
}

// Damages one word: mostly positions and chunk headers, sometimes the mailbox, seldom page 0.
void scribble(const SharedMemory& memory, std::mt19937_64& random, const Geometry& geometry) {
  const auto store = [&](std::uint64_t at, std::uint64_t word) {
    __atomic_store_n(reinterpret_cast<std::uint64_t*>(memory.bytes().data() + at), word, __ATOMIC_RELAXED);
  };
  const std::uint64_t cpu = random() % geometry.cpu_count;
  const std::uint64_t control = format::kControlOffset + cpu * format::kRingPage;
  const std::uint64_t head = memory.control(geometry, CpuId(static_cast<std::uint32_t>(cpu))).head;
  switch (random() % 64) {
    case 0:
      return store(8 * (random() % 24), nasty_word(random, geometry.generation));
    case 1:
    case 2:
      return store(format::kMailboxOffset + 8 * (random() % 32), nasty_word(random, 1));
    case 3:
    case 4:
    case 5:
    case 6:
      return store(control, nasty_word(random, head));
    case 7:
      return store(control + 8 * (random() % 16), random());
    default: {
      const std::uint64_t place =
          (head % geometry.ring_bytes + 8 * (random() % 200)) % geometry.ring_bytes & ~7ull;
      return store(geometry.rings_offset + cpu * geometry.ring_bytes + place, nasty_word(random, head));
    }
  }
}

// Two CPUs' and the plane's own entries, of each kind; a ledger is built anew with each attachment.
constexpr std::uint64_t kMostLossLines = 9 * (LossLedger::kToldAtOnce + 64) * 16;

TEST(HostileGuest, RandomDamageBetweenPolls) {
  std::mt19937_64 random(11);
  TestRing ring(2);
  CheckingSink sink(ring.host->memory().bytes());
  auto consumer = ring.attach();
  MailboxClient client(*ring.host);
  std::uint64_t polls = 0;
  for (int round = 0; round < 3000; ++round) {
    if (round % 20 == 0) {
      ring.start_agent();
      if (auto fresh = CopyRing::attach(*ring.host); round % 200 == 0 && fresh) consumer = *std::move(fresh);
    }
    for (std::uint64_t page = 0; page < 8; ++page) {
      ring.push(static_cast<std::uint32_t>(page % 2), page + 8 * static_cast<std::uint64_t>(round),
                16 + random() % 900);
    }
    for (std::uint64_t i = random() % 6; i > 0; --i)
      scribble(ring.host->memory(), random, ring.producer->geometry());
    const std::uint64_t budget = 1 + random() % 10000;
    const std::uint64_t pieces = sink.pieces;
    const auto progress = consumer->poll(sink, budget);
    ++polls;
    if (progress) {
      EXPECT_LE(progress->bytes, budget + format::kMaxSubBuffer);
    }
    EXPECT_LE(sink.pieces - pieces, budget / sizeof(ChunkHeader) + 1);
    // A reply that claims to be ours, of whatever sizes the damage left.
    if (!client.post(format::Request{})) continue;
    format::MailboxControl& mailbox = ring.host->memory().mailbox();
    mailbox.reply_session = ring.host->session();
    mailbox.reply_seq = mailbox.request_seq.load();
    std::string raw;
    (void)client.take(&raw).ok();
    EXPECT_LE(raw.size(), format::kReplyBytes);
  }
  EXPECT_GT(sink.pieces, polls / 4);  // the damage did not keep everything out
  EXPECT_GT(sink.losses, 100u);
  EXPECT_LT(sink.loss_lines, kMostLossLines);
}

TEST(HostileGuest, DamageWhileThePollRuns) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the producer's plain stores race with the scribbler's on purpose";
#endif
  std::mt19937_64 random(12);
  TestRing ring(2);
  CheckingSink sink(ring.host->memory().bytes());
  const Geometry geometry = ring.producer->geometry();
  auto consumer = ring.attach();
  std::atomic<bool> stop{false};
  std::thread scribbler([&] {
    std::mt19937_64 own(13);
    for (std::uint64_t i = 0; !stop; ++i) {
      scribble(ring.host->memory(), own, geometry);
      if (i % 50 == 0) std::this_thread::yield();
    }
  });
  std::uint64_t broken = 0;
  for (int round = 0; round < 20000; ++round) {
    if (round % 50 == 0) ring.start_agent();
    for (std::uint64_t page = 0; page < 4; ++page) {
      ring.push(static_cast<std::uint32_t>(page % 2), static_cast<std::uint64_t>(round), 16 + random() % 300);
    }
    const auto progress = consumer->poll(sink, 4000);
    if (progress) {
      EXPECT_LE(progress->bytes, 4000 + format::kMaxSubBuffer);
    } else {
      ++broken;
    }
  }
  stop = true;
  scribbler.join();
  EXPECT_GT(sink.losses + broken, 100u);
  EXPECT_LT(sink.loss_lines, kMostLossLines);
}

TEST(HostileGuest, AFloodOfEmptyChunksIsBoundedByTheBudget) {
  TestRing ring(1);
  auto consumer = ring.attach();
  KeepingSink sink;
  CpuProducer& cpu = ring.producer->cpu(CpuId(0));
  ASSERT_TRUE(cpu.push(0, 0, page_image(0, 0, 16), 0));
  while (cpu.push(0, 16, {}, 0)) {
  }
  const auto progress = consumer->poll(sink, 4800);
  ASSERT_TRUE(progress.ok());
  EXPECT_LE(progress->pieces, 101u);
  EXPECT_TRUE(progress->more);
}

}  // namespace
}  // namespace ivtrace::ring
