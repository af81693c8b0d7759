#include "ring/host_ring.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>

#include "base/fd.h"
#include "ring/mailbox.h"
#include "ring/ring_fixture.h"

namespace ivtrace::ring {
namespace {

// A ring file as QEMU leaves it, and the agent's view of it.
class RingFile : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/ivtrace-ring-test-XXXXXX";
    fd_ = UniqueFd(::mkstemp(name));
    ASSERT_TRUE(fd_.valid());
    path_ = name;
    resize(memory_for(2));
  }
  void TearDown() override { ::unlink(path_.c_str()); }

  void resize(std::size_t bytes) { ASSERT_EQ(::ftruncate(fd_.get(), static_cast<off_t>(bytes)), 0); }
  void start_agent() {
    auto mapping = Mapping::of_fd(fd_.get(), 0, memory_for(2), Mapping::Access::kReadWrite, path_);
    ASSERT_TRUE(mapping.ok());
    guest_ = *std::move(mapping);
    auto producer = Producer::format(guest_.bytes(), 2, random_nonce());
    ASSERT_TRUE(producer.ok());
    producer_.emplace(*std::move(producer));
  }

  UniqueFd fd_;
  std::string path_;
  Mapping guest_;
  std::optional<Producer> producer_;
};

TEST_F(RingFile, TheAgentMayStartAfterTheRecorder) {
  auto host = HostRing::open(path_);
  ASSERT_TRUE(host.ok()) << host.error().to_string();
  const auto early = CopyRing::attach(**host);
  ASSERT_FALSE(early.ok());
  EXPECT_EQ(early.error().code, ErrorCode::kNotFound);
  EXPECT_NE(early.error().hint, "");
  start_agent();
  auto ring = CopyRing::attach(**host);
  ASSERT_TRUE(ring.ok()) << ring.error().to_string();
  ASSERT_TRUE(producer_->cpu(CpuId(1)).push(0, 0, page_image(1, 0, 99), format::kChunkSealed));
  KeepingSink sink;
  ASSERT_TRUE((*ring)->poll(sink, kNoBudget).ok());
  ASSERT_EQ(sink.pages.size(), 1u);
  EXPECT_EQ(sink.pages[0].image, page_image(1, 0, 99));
}

TEST_F(RingFile, ASecondRecorderIsToldWhoHasIt) {
  auto first = HostRing::open(path_);
  ASSERT_TRUE(first.ok());
  const auto second = HostRing::open(path_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kBusy);
  EXPECT_NE(second.error().message.find("is being recorded by another ivtrace"), std::string::npos);
  EXPECT_NE(second.error().message.find("(pid " + std::to_string(::getpid()) + ")"), std::string::npos)
      << second.error().message;
  first->reset();
  EXPECT_TRUE(HostRing::open(path_).ok());
}

TEST_F(RingFile, LeavingInGoodOrderIsTold) {
  start_agent();
  {
    auto host = HostRing::open(path_);
    ASSERT_TRUE(host.ok());
    (*host)->beat();
    EXPECT_EQ(producer_->host_session(), (*host)->session());
  }
  EXPECT_EQ(producer_->host_session(), 0u);
}

TEST_F(RingFile, TooSmallOrNoFileAtAllIsOneClearLine) {
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{1}, std::size_t{4096}, std::size_t{kMinRingFile - 1}}) {
    resize(bytes);
    const auto host = HostRing::open(path_);
    ASSERT_FALSE(host.ok()) << bytes;
    EXPECT_EQ(host.error().code, ErrorCode::kExhausted);
    EXPECT_NE(host.error().message.find(path_), std::string::npos);
    EXPECT_NE(host.error().hint.find("size="), std::string::npos);
    const auto info = peek_ring(path_);
    ASSERT_TRUE(info.ok());
    EXPECT_NE(info->problem, "");
  }
  EXPECT_EQ(HostRing::open(path_ + "-not-there").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(HostRing::open("/dev/null").error().code, ErrorCode::kInvalid);
  EXPECT_FALSE(HostRing::open("/tmp").ok());
}

TEST_F(RingFile, CutAtAnyPageItIsRefusedOrServes) {
  start_agent();
  for (std::size_t bytes = memory_for(2) - 1; bytes > 4096; bytes -= 4096) {
    resize(bytes);
    auto host = HostRing::open(path_);
    if (!host) {
      EXPECT_EQ(host.error().code, ErrorCode::kExhausted);
      continue;
    }
    const auto ring = CopyRing::attach(**host);
    ASSERT_FALSE(ring.ok());
    EXPECT_EQ(ring.error().code, ErrorCode::kCorrupt) << bytes;
  }
}

TEST_F(RingFile, ShrinkingUnderUsIsToldOnceAndThenGone) {
  start_agent();
  auto host = HostRing::open(path_);
  ASSERT_TRUE(host.ok());
  auto ring = CopyRing::attach(**host);
  ASSERT_TRUE(ring.ok());
  KeepingSink sink;
  ASSERT_TRUE((*ring)->poll(sink, kNoBudget).ok());
  resize(4096);
  for (int i = 0; i < 3; ++i) {
    const auto poll = (*ring)->poll(sink, kNoBudget);
    ASSERT_FALSE(poll.ok());
    EXPECT_EQ(poll.error().code, ErrorCode::kGone);
  }
  EXPECT_EQ(sink.losses_of(PlaneLossReason::kMappingLost), 1u);
}

// A sink that writes from the mapping itself, as the recorder does.
class WritingSink : public PageSink {
 public:
  explicit WritingSink(int shrink_fd)
      : shrink_fd_(shrink_fd), out_(::open("/tmp", O_TMPFILE | O_RDWR, 0600)) {}
  Status on_piece(const PagePiece& piece) override {
    IVT_CHECK(::ftruncate(shrink_fd_, 4096) == 0);
    return write_all(out_.get(), piece.bytes, "the run");
  }
  Status on_loss(const PlaneLoss&) override { return {}; }

 private:
  int shrink_fd_;
  UniqueFd out_;
};

TEST_F(RingFile, ShrinkingWhileASinkWritesIsTheRingsFaultNotTheDisks) {
  start_agent();
  auto host = HostRing::open(path_);
  ASSERT_TRUE(host.ok());
  auto ring = CopyRing::attach(**host);
  ASSERT_TRUE(ring.ok());
  ASSERT_TRUE(producer_->cpu(CpuId(0)).push(0, 0, page_image(0, 0, 5000), 0));
  WritingSink sink(fd_.get());
  const auto poll = (*ring)->poll(sink, kNoBudget);
  ASSERT_FALSE(poll.ok());
  EXPECT_EQ(poll.error().code, ErrorCode::kGone) << poll.error().to_string();
}

TEST_F(RingFile, PeekingNeitherLocksNorWrites) {
  const auto blank = peek_ring(path_);
  ASSERT_TRUE(blank.ok());
  EXPECT_FALSE(blank->formatted);
  EXPECT_NE(blank->problem.find("not formatted yet"), std::string::npos);
  EXPECT_FALSE(blank->recorder_pid.has_value());
  start_agent();
  auto host = HostRing::open(path_);
  ASSERT_TRUE(host.ok());
  const auto first = peek_ring(path_);
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(first->formatted);
  EXPECT_EQ(first->cpu_count, 2u);
  EXPECT_EQ(first->generation, producer_->geometry().generation);
  EXPECT_EQ(first->recorder_pid, ::getpid());
  EXPECT_FALSE(agent_beat(*first, *peek_ring(path_)));
  producer_->heartbeat();
  EXPECT_TRUE(agent_beat(*first, *peek_ring(path_)));
  EXPECT_FALSE(peek_ring("/dev/shm/ivtrace-is-not-there").ok());
}

TEST(FlockHolder, ReadsProcLocks) {
  const std::string locks =
      "1: POSIX  ADVISORY  WRITE 11 08:02:77 0 EOF\n"
      "2: FLOCK  ADVISORY  WRITE 4242 08:02:77 0 EOF\n"
      "2: -> FLOCK  ADVISORY  WRITE 13 08:02:77 0 EOF\n"
      "3: FLOCK  ADVISORY  WRITE -1 08:02:78 0 EOF\n";
  EXPECT_EQ(flock_holder(0x802, 77, locks), 4242);
  EXPECT_EQ(flock_holder(0x802, 78, locks), 0);
  EXPECT_EQ(flock_holder(0x802, 79, locks), 0);
  EXPECT_EQ(flock_holder(0x802, 77, ""), 0);
}

TEST(HostRing, StoresNothingIntoMemoryThatIsNoIvring) {
  for (const std::uint64_t magic : {std::uint64_t{0}, std::uint64_t{0x1122334455667788}}) {
    auto memory = Mapping::anonymous(kMinRingFile);
    ASSERT_TRUE(memory.ok());
    const std::span<std::byte> bytes = memory->bytes();
    std::memcpy(bytes.data(), &magic, sizeof magic);
    const std::vector<std::byte> before(bytes.begin(), bytes.end());
    std::vector<std::byte> after;
    {
      const auto host = HostRing::of_mapping(*std::move(memory), "somebody's memory");
      host->beat();
      EXPECT_FALSE(CopyRing::attach(*host).ok());
      EXPECT_FALSE(MailboxClient(*host).post(format::Request{}).ok());
      after.assign(bytes.begin(), bytes.end());
    }
    EXPECT_EQ(before, after) << magic;
  }
}

}  // namespace
}  // namespace ivtrace::ring
