// The three readers against the machine's own ring buffer. The workload is this process writing numbered
// lines to the private instance's trace_marker, pinned to a CPU, so what must arrive is known to the event.
#include "tracefs/page_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cstring>

#include "format/kernel_page.h"
#include "tracefs/cpus.h"
#include "tracefs/test_support.h"

namespace ivtrace::tracefs {
namespace {

/// Collects images, and can refuse pieces.
class Collector : public PieceSink {
 public:
  struct Page {
    std::vector<std::byte> image;
    bool missed = false;
    std::optional<std::uint64_t> missed_count;
  };

  bool take(const Piece& piece) override {
    if (refuse_every > 0 && ++offered % refuse_every == 0) return false;
    if (piece.offset == 0) {
      EXPECT_EQ(piece.page, pages.size());
      pages.push_back({{}, piece.missed, piece.missed_count});
    }
    EXPECT_EQ(piece.page + 1, pages.size());
    EXPECT_EQ(piece.offset, pages.back().image.size());
    pages.back().image.insert(pages.back().image.end(), piece.bytes.begin(), piece.bytes.end());
    return true;
  }

  std::vector<Page> pages;
  int refuse_every = 0;
  int offered = 0;
};

std::vector<int> all_numbers(const Collector& collector) {
  std::vector<int> all;
  for (const auto& page : collector.pages) {
    const std::vector<int> numbers = numbers_in(page.image);
    all.insert(all.end(), numbers.begin(), numbers.end());
  }
  return all;
}

/// A fresh instance per test, and this thread pinned to one CPU.
class ReaderTest : public TracefsTest {
 protected:
  void SetUp() override {
    TracefsTest::SetUp();
    if (IsSkipped()) return;
    auto instance = Instance::create(*dir_, "ivtrace-test-" + std::to_string(::getpid()));
    ASSERT_TRUE(instance.ok()) << instance.error().to_string();
    instance_.emplace(std::move(*instance));
    const auto online = online_cpus();
    ASSERT_TRUE(online.ok());
    cpu_ = online->back();
    ASSERT_EQ(::sched_getaffinity(0, sizeof saved_, &saved_), 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu_.value, &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    ASSERT_TRUE(instance_->set_clock("x86-tsc").ok());
    auto marker = open_at(instance_->dir_fd(), "trace_marker", O_WRONLY);
    ASSERT_TRUE(marker.ok());
    marker_ = std::move(*marker);
  }

  void TearDown() override {
    if (!instance_) return;
    EXPECT_EQ(::sched_setaffinity(0, sizeof saved_, &saved_), 0);
    marker_.reset();
    const Status removed = instance_->remove();
    EXPECT_TRUE(removed.ok()) << removed.error().to_string();
  }

  void start(std::uint64_t buffer_kb) {
    ASSERT_TRUE(instance_->set_buffer_kb(buffer_kb).ok());
    ASSERT_TRUE(instance_->set_tracing(true).ok());
  }

  /// Writes lines n=next … and returns how many were written so far.
  int mark(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string line = "n=" + std::to_string(next_++);
      EXPECT_EQ(::write(marker_.get(), line.data(), line.size()), static_cast<ssize_t>(line.size()));
    }
    return next_;
  }

  std::unique_ptr<PageReader> open(Feed feed) {
    auto reader = open_reader(*instance_, cpu_, feed);
    if (!reader) return nullptr;
    return std::move(*reader);
  }

  static void drain(PageReader& reader, Collector& sink) {
    for (;;) {
      const auto progress = reader.drain(sink, 64u << 10);
      ASSERT_TRUE(progress.ok()) << progress.error().to_string();
      if (!progress->more && !progress->stalled) return;
    }
  }

  format::CpuCounters counters() {
    auto result = instance_->counters(cpu_);
    EXPECT_TRUE(result.ok());
    return result.ok() ? *result : format::CpuCounters{};
  }

  std::optional<Instance> instance_;
  CpuId cpu_;
  cpu_set_t saved_;
  UniqueFd marker_;
  int next_ = 0;
};

void expect_all(const std::vector<int>& numbers, int count) {
  ASSERT_EQ(numbers.size(), static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) ASSERT_EQ(numbers[static_cast<std::size_t>(i)], i);
}

class FeedTest : public ReaderTest, public ::testing::WithParamInterface<Feed> {};

INSTANTIATE_TEST_SUITE_P(Feeds, FeedTest, ::testing::Values(Feed::kMap, Feed::kRead),
                         [](const auto& info) { return std::string(to_string(info.param)); });

TEST_P(FeedTest, delivers_every_event_once_and_in_order) {
  start(256);
  const auto reader = open(GetParam());
  if (!reader) GTEST_SKIP() << "this kernel cannot map trace buffers";
  Collector sink;
  for (int round = 0; round < 300; ++round) {
    mark(round % 37);  // also none, and numbers that end within a sub-buffer
    drain(*reader, sink);
  }
  expect_all(all_numbers(sink), next_);
  EXPECT_GT(sink.pages.size(), 20u);
  for (const auto& page : sink.pages) EXPECT_FALSE(page.missed);
  const format::CpuCounters at_end = counters();
  EXPECT_EQ(at_end.delivered, static_cast<std::uint64_t>(next_));
  EXPECT_EQ(at_end.unread, 0u);
  EXPECT_EQ(at_end.overrun, 0u);
}

TEST_P(FeedTest, a_sink_that_refuses_loses_and_doubles_nothing) {
  start(1024);
  const auto reader = open(GetParam());
  if (!reader) GTEST_SKIP() << "this kernel cannot map trace buffers";
  Collector sink;
  sink.refuse_every = 3;
  for (int round = 0; round < 50; ++round) {
    mark(100);
    ASSERT_TRUE(reader->drain(sink, 4096).ok());
  }
  drain(*reader, sink);
  expect_all(all_numbers(sink), next_);
}

TEST_P(FeedTest, overruns_are_told_at_their_place_and_counted_exactly) {
  start(16);
  const auto reader = open(GetParam());
  if (!reader) GTEST_SKIP() << "this kernel cannot map trace buffers";
  Collector sink;
  for (int round = 0; round < 20; ++round) {
    mark(round % 2 == 0 ? 50 : 2000);
    drain(*reader, sink);
  }
  ASSERT_TRUE(instance_->set_tracing(false).ok());
  drain(*reader, sink);
  const format::CpuCounters at_end = counters();
  EXPECT_GT(at_end.overrun, 0u);
  EXPECT_EQ(at_end.unread, 0u);
  EXPECT_EQ(at_end.delivered + at_end.overrun + at_end.dropped, static_cast<std::uint64_t>(next_));

  // Every hole in the numbers is before a page that says so; where the page has a count it is the hole's
  // width.
  int expected = 0;
  std::uint64_t holes = 0;
  std::size_t delivered = 0;
  for (const auto& page : sink.pages) {
    const std::vector<int> numbers = numbers_in(page.image);
    ASSERT_FALSE(numbers.empty());
    const int hole = numbers.front() - expected;
    EXPECT_EQ(page.missed, hole != 0);
    EXPECT_EQ(page.missed_count.value_or(static_cast<std::uint64_t>(hole)), static_cast<std::uint64_t>(hole));
    holes += static_cast<std::uint64_t>(hole);
    for (std::size_t i = 1; i < numbers.size(); ++i) EXPECT_EQ(numbers[i], numbers[i - 1] + 1);
    expected = numbers.back() + 1;
    delivered += numbers.size();
  }
  EXPECT_EQ(expected, next_);
  EXPECT_EQ(holes, at_end.overrun);
  EXPECT_EQ(delivered, at_end.delivered);
}

class SpliceTest : public ReaderTest {
 protected:
  void SetUp() override {
    ReaderTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    char name[] = "/tmp/ivtrace-splice-XXXXXX";
    file_ = UniqueFd(::mkstemp(name));
    ASSERT_TRUE(file_.valid());
    ::unlink(name);
  }

  /// The numbers in the file's slots; missed flags into `missed`.
  std::vector<int> numbers_in_file(std::uint64_t bytes, std::uint32_t slot,
                                   std::vector<std::size_t>* missed = nullptr) {
    std::vector<int> all;
    EXPECT_EQ(bytes % slot, 0u);
    std::vector<std::byte> buffer(slot);
    for (std::uint64_t at = 0; at < bytes; at += slot) {
      EXPECT_EQ(::pread(file_.get(), buffer.data(), slot, static_cast<off_t>(at)),
                static_cast<ssize_t>(slot));
      std::uint64_t commit;
      std::memcpy(&commit, buffer.data() + 8, 8);
      const std::size_t used = format::kSubBufferHeader + (commit & format::kCommitMask);
      EXPECT_LE(used, slot);
      if ((commit & format::kMissedEvents) != 0 && missed != nullptr) missed->push_back(all.size());
      const std::vector<int> numbers = numbers_in(std::span(buffer).first(std::min<std::size_t>(used, slot)));
      all.insert(all.end(), numbers.begin(), numbers.end());
    }
    return all;
  }

  UniqueFd file_;
};

TEST_F(SpliceTest, moves_full_pages_and_flushes_the_partial_one) {
  start(4096);
  auto reader = SpliceReader::open(*instance_, cpu_);
  ASSERT_TRUE(reader.ok()) << reader.error().to_string();
  std::uint64_t offset = 0;
  for (int round = 0; round < 20; ++round) {
    mark(1000);
    const auto moved = reader->move_full(file_.get(), offset, 1u << 20);
    ASSERT_TRUE(moved.ok()) << moved.error().to_string();
    EXPECT_GT(moved->bytes, 0u);
    if (round % 5 == 4) {
      ASSERT_TRUE(reader->move_all(file_.get(), offset).ok());
      EXPECT_EQ(numbers_in_file(offset, reader->slot_bytes()).size(), static_cast<std::size_t>(next_));
    }
  }
  expect_all(numbers_in_file(offset, reader->slot_bytes()), next_);
  EXPECT_EQ(counters().delivered, static_cast<std::uint64_t>(next_));
}

TEST_F(SpliceTest, overrun_pages_carry_the_loss_themselves) {
  start(16);
  auto reader = SpliceReader::open(*instance_, cpu_);
  ASSERT_TRUE(reader.ok());
  std::uint64_t offset = 0;
  mark(20);
  ASSERT_TRUE(reader->move_all(file_.get(), offset).ok());
  mark(5000);
  ASSERT_TRUE(reader->move_all(file_.get(), offset).ok());
  std::vector<std::size_t> missed;
  const std::vector<int> numbers = numbers_in_file(offset, reader->slot_bytes(), &missed);
  ASSERT_EQ(missed.size(), 1u);
  const format::CpuCounters at_end = counters();
  EXPECT_EQ(numbers.size() + at_end.overrun, static_cast<std::size_t>(next_));
  EXPECT_EQ(numbers[missed[0]] - numbers[missed[0] - 1] - 1, static_cast<int>(at_end.overrun));
}

TEST_F(SpliceTest, a_full_disk_keeps_what_left_the_ring_for_the_next_call) {
  start(1024);
  auto reader = SpliceReader::open(*instance_, cpu_);
  ASSERT_TRUE(reader.ok());
  std::uint64_t offset = 0;
  mark(5000);
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full.valid());
  std::uint64_t nowhere = 0;
  EXPECT_FALSE(reader->move_all(full.get(), nowhere).ok());
  EXPECT_EQ(nowhere, 0u);
  ASSERT_TRUE(reader->move_all(file_.get(), offset).ok());
  expect_all(numbers_in_file(offset, reader->slot_bytes()), next_);
}

}  // namespace
}  // namespace ivtrace::tracefs
