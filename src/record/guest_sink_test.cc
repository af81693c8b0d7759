#include "record/guest_sink.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "run/run_reader.h"

namespace ivtrace::record {
namespace {

class GuestSinkTest : public ::testing::Test {
 protected:
  GuestSinkTest() {
    std::string pattern = ::testing::TempDir() + "ivtrace_sink_XXXXXX";
    IVT_CHECK(::mkdtemp(pattern.data()) != nullptr);
    scratch_ = pattern;
    writer_ = *run::RunWriter::create(scratch_ + "/run.ivt", run::Manifest{});
  }
  ~GuestSinkTest() override { std::filesystem::remove_all(scratch_); }

  void limit(std::uint64_t max_bytes) {
    space_.emplace(*SpaceBudget::create(scratch_, max_bytes, 0));
    log_.emplace(*writer_, *space_);
  }
  ring::PagePiece piece(std::uint64_t page) {
    ring::PagePiece made;
    made.cpu = CpuId(0);
    made.page = page;
    made.bytes = std::as_bytes(std::span(image_));
    made.sealed = true;
    return made;
  }
  run::RunReader open_run() { return *run::RunReader::open(scratch_ + "/run.ivt"); }

  const std::string image_ = std::string(1000, 'x');
  std::string scratch_;
  std::unique_ptr<run::RunWriter> writer_;
  std::optional<SpaceBudget> space_;
  std::optional<RunLog> log_;
};

TEST_F(GuestSinkTest, AFloodingGuestGetsHalfAndTheOthersGoOn) {
  limit(100'000);
  GuestSink flood("vm1", *log_), other("vm2", *log_);
  flood.start_segments(1);
  other.start_segments(1);
  for (std::uint64_t page = 0; page < 500; ++page) ASSERT_TRUE(flood.on_piece(piece(page)).ok());
  for (std::uint64_t page = 0; page < 20; ++page) ASSERT_TRUE(other.on_piece(piece(page)).ok());
  EXPECT_FALSE(space_->tripped());
  flood.finish();
  const run::RunReader run = open_run();
  EXPECT_EQ(run.find("vm2")->files.at(0).size, 20 * (1000 + sizeof(format::PackedPage)));
  const std::uint64_t written = run.find("vm1")->files.at(0).size;
  EXPECT_LE(written, 50'000u);
  ASSERT_EQ(run.find("vm1")->losses.size(), 1u);
  EXPECT_EQ(run.find("vm1")->losses[0].reason, "size-limit");
  // Bytes in = written + accounted as lost.
  const std::uint64_t kept = written / (1000 + sizeof(format::PackedPage)) * 1000;
  EXPECT_EQ(kept + *run.find("vm1")->losses[0].bytes, 500u * 1000);
}

TEST_F(GuestSinkTest, WhatComesAtTheRunsLimitIsCountedAndTheRingGoesOn) {
  limit(100'000);
  space_->add(99'500);
  GuestSink sink("vm1", *log_);
  sink.start_segments(1);
  for (std::uint64_t page = 0; page < 3; ++page) ASSERT_TRUE(sink.on_piece(piece(page)).ok());
  EXPECT_TRUE(space_->tripped());
  EXPECT_EQ(space_->reason(), "size-limit");
  EXPECT_TRUE(sink.lost_anything());
  sink.finish();
  const run::RunReader run = open_run();
  ASSERT_EQ(run.find("vm1")->losses.size(), 1u);
  EXPECT_EQ(run.find("vm1")->losses[0].reason, "size-limit");
  EXPECT_EQ(run.find("vm1")->losses[0].bytes, 3000u);
}

TEST_F(GuestSinkTest, ContinuationsWithoutAStartAreCounted) {
  limit(1u << 20);
  GuestSink sink("vm1", *log_);
  sink.start_segments(1);
  ring::PagePiece headless = piece(3);
  headless.offset = 64;
  ASSERT_TRUE(sink.on_piece(headless).ok());
  sink.finish();
  const run::RunReader run = open_run();
  ASSERT_EQ(run.find("vm1")->losses.size(), 1u);
  EXPECT_EQ(run.find("vm1")->losses[0].reason, "no-page-start");
  EXPECT_EQ(run.find("vm1")->losses[0].bytes, 1000u);
}

TEST_F(GuestSinkTest, ANewRecordingGetsASegmentOfItsOwn) {
  limit(1u << 20);
  GuestSink sink("vm1", *log_);
  for (std::uint64_t generation : {7u, 8u}) {
    sink.start_segments(generation);
    for (std::uint64_t page = 0; page < 3; ++page) ASSERT_TRUE(sink.on_piece(piece(page)).ok());
  }
  const run::RunReader run = open_run();
  const auto& segments = run.find("vm1")->files.at(0).segments;
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[0].generation, 7u);
  EXPECT_EQ(segments[1].generation, 8u);
  EXPECT_EQ(segments[0].end - segments[0].begin, segments[1].end - segments[1].begin);
}

}  // namespace
}  // namespace ivtrace::record
