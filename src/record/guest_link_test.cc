#include "record/guest_link.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "base/fd.h"
#include "ring/producer.h"
#include "ring/ring_fixture.h"

namespace ivtrace::record {
namespace {

/// A ring file in which an earlier recording left a sub-buffer.
class GuestLinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "ivtrace_link_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    scratch_ = pattern;
    writer_ = *run::RunWriter::create(scratch_ + "/run.ivt", run::Manifest{});
    space_.emplace(*SpaceBudget::create(scratch_, ~0ull, 0));
    log_.emplace(*writer_, *space_);
    const std::string path = scratch_ + "/ring";
    ASSERT_TRUE(replace_file(path, "").ok());
    std::filesystem::resize_file(path, ring::memory_for(1));
    auto fd = *open_file(path, O_RDWR);
    memory_ = *Mapping::of_fd(fd.get(), 0, ring::memory_for(1), Mapping::Access::kReadWrite, path);
    producer_.emplace(*ring::Producer::format(memory_.bytes(), 1, ring::random_nonce()));
    push();
    link_.emplace("vm1", *ring::HostRing::open(path), *log_);
  }
  void TearDown() override {
    link_.reset();
    std::filesystem::remove_all(scratch_);
  }
  void push() {
    const auto image = ring::page_image(0, page_, 200);
    ASSERT_TRUE(producer_->cpu(CpuId(0)).push(page_++, 0, image, format::kChunkSealed));
  }

  std::string scratch_;
  std::unique_ptr<run::RunWriter> writer_;
  std::optional<SpaceBudget> space_;
  std::optional<RunLog> log_;
  Mapping memory_;
  std::optional<ring::Producer> producer_;
  std::uint64_t page_ = 0;
  std::optional<GuestLink> link_;
};

TEST_F(GuestLinkTest, WhatAnEarlierRecordingLeftIsNoneOfTheNextOnes) {
  ASSERT_TRUE(link_->attach(GuestLink::From::kNextRecording).ok());
  link_->poll();
  EXPECT_EQ(link_->view().bytes, 0u);
  EXPECT_TRUE(link_->view().sizes.empty());
  link_->expect_recording(7);
  producer_->cpu(CpuId(0)).reset();  // as the agent does when it starts
  push();
  EXPECT_TRUE(link_->poll());
  EXPECT_GT(link_->view().bytes, 200u);
  EXPECT_LT(link_->view().bytes, 400u);
}

TEST_F(GuestLinkTest, ASalvageTakesWhatIsLeft) {
  ASSERT_TRUE(link_->attach(GuestLink::From::kWhereLeft).ok());
  link_->resume_recording(7, {});
  EXPECT_TRUE(link_->poll());
  EXPECT_GT(link_->view().bytes, 200u);
}

TEST_F(GuestLinkTest, AReleasedRingCanBeTakenByTheGuestsNextLife) {
  ASSERT_TRUE(link_->attach(GuestLink::From::kNextRecording).ok());
  EXPECT_FALSE(ring::HostRing::open(scratch_ + "/ring").ok());
  link_->release();
  EXPECT_TRUE(ring::HostRing::open(scratch_ + "/ring").ok());
  EXPECT_FALSE(link_->poll());
  EXPECT_FALSE(link_->view().lost);
}

}  // namespace
}  // namespace ivtrace::record
