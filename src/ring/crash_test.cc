// Either side killed at any moment: the producer at every single instruction of a push (stepped by ptrace)
// and at random moments (SIGKILL), the consumer at random moments.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "ring/ring_fixture.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define IVTRACE_TEST_SANITIZED 1
#else
#define IVTRACE_TEST_SANITIZED 0
#endif

namespace ivtrace::ring {
namespace {

void nap(std::uint64_t microseconds) { std::this_thread::sleep_for(std::chrono::microseconds(microseconds)); }

// Every page that arrived is whole, and they are 0, 1, 2, … without a hole.
void expect_whole_prefix(const KeepingSink& sink, std::uint64_t first = 0) {
  for (const auto& page : sink.pages) {
    ASSERT_EQ(page.page, first++);
    ASSERT_EQ(page.image, page_image(page.cpu, page.page, page.image.size()));
  }
  ASSERT_TRUE(sink.losses.empty()) << sink.losses[0].detail;
}

TEST(Crash, AProducerKilledAtAnyInstructionLeavesOnlyWholeChunks) {
  if (IVTRACE_TEST_SANITIZED) GTEST_SKIP() << "instrumented code takes too many single steps";
  TestRing ring(1);
  auto drain = ring.attach();
  KeepingSink before;
  // So far that the pushes below need a padding chunk and the start of the ring.
  std::uint64_t page = 0;
  for (; page < 4; ++page) {
    ASSERT_TRUE(ring.push(0, page, 16100));
    ASSERT_TRUE(drain->poll(before, kNoBudget).ok());
  }
  const std::vector<std::byte> images[] = {page_image(0, 4, 300), page_image(0, 5, 1000),
                                           page_image(0, 6, 40)};
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(77);
    ::raise(SIGSTOP);
    CpuProducer& cpu = ring.producer->cpu(CpuId(0));
    for (const auto& image : images) cpu.push(page++, 0, image, format::kChunkSealed);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  if (!WIFSTOPPED(status)) GTEST_SKIP() << "ptrace is not permitted here";

  // The memory as it would be found if the child died before its next instruction, looked at by a fresh
  // recorder.
  auto copy = Mapping::anonymous(ring.host->memory().bytes().size());
  ASSERT_TRUE(copy.ok());
  std::byte* image = copy->data();
  auto after_crash = HostRing::of_mapping(*std::move(copy), "copy");
  std::size_t seen = 0;
  std::uint64_t steps = 0;
  while (true) {
    ASSERT_EQ(::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr), 0);
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (WIFEXITED(status)) break;
    ASSERT_TRUE(WIFSTOPPED(status));
    ++steps;
    ASSERT_LT(steps, 100000u);
    const auto live = ring.host->memory().bytes();
    std::memcpy(image, live.data(), live.size());
    auto consumer = CopyRing::attach(*after_crash);
    ASSERT_TRUE(consumer.ok());
    KeepingSink sink;
    ASSERT_TRUE((*consumer)->poll(sink, kNoBudget).ok());
    expect_whole_prefix(sink, 4);
    ASSERT_GE(sink.pages.size(), seen);
    ASSERT_LE(sink.pages.size(), seen + 1);
    seen = sink.pages.size();
  }
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(seen, 3u);
  EXPECT_GT(steps, 200u);
}

TEST(Crash, AProducerKilledAtRandomMomentsAndStartedAgain) {
  std::mt19937_64 random(5);
  TestRing ring(1);
  auto consumer = ring.attach();
  std::uint64_t pages = 0;
  std::uint64_t restarts = 0;
  for (int life = 0; life < 30; ++life) {
    ring.start_agent();
    KeepingSink sink;
    ASSERT_TRUE(consumer->poll(sink, kNoBudget).ok());
    EXPECT_EQ(consumer->generation(), ring.producer->geometry().generation);
    restarts += sink.losses_of(PlaneLossReason::kNewGeneration);
    sink.forget();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (std::uint64_t page = 0;;) {
        if (ring.push(0, page, 16 + page * 37 % 5000)) ++page;
      }
    }
    const auto polls = random() % 200;
    for (std::uint64_t i = 0; i < polls; ++i) {
      ASSERT_TRUE(consumer->poll(sink, 20000).ok());
      if (i % 16 == 0) nap(random() % 100);
    }
    nap(random() % 2000);
    // Whatever else the machine is busy with, one life lasts until a page is there.
    while (life == 0 && sink.pages.empty()) ASSERT_TRUE(consumer->poll(sink, 20000).ok());
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    while (consumer->poll(sink, kNoBudget)->more) {
    }
    expect_whole_prefix(sink);
    pages += sink.pages.size();
  }
  KeepingSink last;
  ASSERT_TRUE(consumer->finish(last).ok());
  EXPECT_EQ(restarts + last.losses_of(PlaneLossReason::kNewGeneration), 30u);
  EXPECT_GT(pages, 0u);
}

// Saves no more than the number of the page that is safe, where a killed process' successor finds it.
class SavingSink : public PageSink {
 public:
  explicit SavingSink(std::atomic<std::uint64_t>* saved) : saved_(saved) {}
  Status on_piece(const PagePiece& piece) override {
    const std::uint64_t saved = saved_->load();
    if (piece.page > saved) ++holes_;
    saved_->store(std::max(saved, piece.page + 1));
    ++pieces_;
    return {};
  }
  Status on_loss(const PlaneLoss&) override {
    ++losses_;
    return {};
  }
  std::uint64_t holes_ = 0, losses_ = 0, pieces_ = 0;

 private:
  std::atomic<std::uint64_t>* saved_;
};

TEST(Crash, AConsumerKilledAtRandomMomentsLosesNothing) {
  std::mt19937_64 random(6);
  TestRing ring(1);
  auto counters = Mapping::anonymous(4096);
  ASSERT_TRUE(counters.ok());
  auto* saved = new (counters->data()) std::atomic<std::uint64_t>(0);
  auto* faults = new (counters->data() + 64) std::atomic<std::uint64_t>(0);
  std::uint64_t page = 0;
  for (int life = 0; life < 30; ++life) {
    const pid_t recorder = ::fork();
    ASSERT_GE(recorder, 0);
    if (recorder == 0) {
      auto consumer = ring.attach();
      SavingSink sink(saved);
      while (true) {
        if (!consumer->poll(sink, 20000).ok() || sink.holes_ + sink.losses_ != 0) faults->store(1);
      }
    }
    const auto stop = std::chrono::steady_clock::now() + std::chrono::microseconds(500 + random() % 4000);
    while (std::chrono::steady_clock::now() < stop) {
      if (ring.push(0, page, 16 + page * 37 % 3000)) ++page;
    }
    ASSERT_EQ(::kill(recorder, SIGKILL), 0);
    ASSERT_EQ(::waitpid(recorder, nullptr, 0), recorder);
  }
  auto last = ring.attach();
  SavingSink sink(saved);
  while (last->poll(sink, kNoBudget)->more) {
  }
  EXPECT_EQ(sink.holes_ + sink.losses_, 0u);
  EXPECT_EQ(faults->load(), 0u);
  EXPECT_EQ(saved->load(), page);
  EXPECT_GT(page, 0u);
}

}  // namespace
}  // namespace ivtrace::ring
