// Producers and the consumer at the same time. Meant above all for a build with -DIVTRACE_SANITIZE=thread:
// the payload is written and read by plain loads and stores, so a missing release or acquire is a race that
// it reports.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "ring/mailbox.h"
#include "ring/ring_fixture.h"

namespace ivtrace::ring {
namespace {

// Compares in place, without a copy by relaxed atomics that would hide a race.
class ComparingSink : public PageSink {
 public:
  Status on_piece(const PagePiece& piece) override {
    const auto expected = page_image(piece.cpu.value, piece.page, piece.bytes.size());
    if (piece.page != next_[piece.cpu.value]++) ++faults;
    if (std::memcmp(expected.data(), piece.bytes.data(), expected.size()) != 0) ++faults;
    return {};
  }
  Status on_loss(const PlaneLoss&) override {
    ++faults;
    return {};
  }
  std::uint64_t total() const { return next_[0] + next_[1]; }
  std::uint64_t faults = 0;

 private:
  std::uint64_t next_[2] = {};
};

TEST(RingThreads, TwoProducersOneConsumerAndTheMailbox) {
  constexpr std::uint64_t kPages = 20000;
  TestRing ring(2);
  auto consumer = ring.attach();
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> stalls{0};
  std::vector<std::thread> producers;
  for (std::uint32_t cpu = 0; cpu < 2; ++cpu) {
    producers.emplace_back([&, cpu] {
      for (std::uint64_t page = 0; page < kPages;) {
        if (ring.push(cpu, page, 16 + page * 31 % 2000)) {
          ++page;
        } else {
          std::this_thread::yield();
        }
      }
      stalls += ring.producer->cpu(CpuId(cpu)).stalls();
    });
  }
  std::thread server([&] {
    MailboxServer mailbox(ring.host->memory());
    while (!done) {
      ring.producer->heartbeat();
      const bool asked = mailbox.poll([](const format::Request&, std::string& raw) {
        raw = "rest";
        format::Reply reply;
        reply.hostname = "guest";
        return reply;
      });
      if (!asked) std::this_thread::yield();
    }
  });
  std::thread asker([&] {
    MailboxClient client(*ring.host);
    for (int i = 0; i < 50; ++i) {
      std::string raw;
      const auto reply = client.call(format::Request{}, Nanoseconds(60'000'000'000), &raw);
      ASSERT_TRUE(reply.ok()) << reply.error().to_string();
      EXPECT_EQ(reply->hostname + raw, "guestrest");
    }
  });
  ComparingSink sink;
  while (sink.total() < 2 * kPages && sink.faults == 0) {
    const auto progress = consumer->poll(sink, 1u << 20);
    ASSERT_TRUE(progress.ok());
    if (progress->pieces == 0) std::this_thread::yield();
  }
  EXPECT_EQ(sink.faults, 0u);
  for (std::thread& producer : producers) producer.join();
  asker.join();
  done = true;
  server.join();
  EXPECT_EQ(sink.total(), 2 * kPages);
}

}  // namespace
}  // namespace ivtrace::ring
