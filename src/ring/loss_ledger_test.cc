#include "ring/loss_ledger.h"

#include <gtest/gtest.h>

namespace ivtrace::ring {
namespace {

class CountingSink : public PageSink {
 public:
  Status on_piece(const PagePiece&) override { return {}; }
  Status on_loss(const PlaneLoss& loss) override {
    if (failing) return Error(ErrorCode::kExhausted, "disk full");
    ++lines;
    count += loss.count;
    bytes += loss.bytes;
    last = loss;
    return {};
  }
  bool failing = false;
  std::uint64_t lines = 0, count = 0, bytes = 0;
  PlaneLoss last;
};

TEST(LossLedger, AFloodMakesFewLinesAndLosesNoCount) {
  LossLedger ledger;
  CountingSink sink;
  constexpr std::uint64_t kFlood = 100000;
  for (std::uint64_t i = 0; i < kFlood; ++i) {
    ledger.note(CpuId(1), PlaneLossReason::kCorruptChunk, 3, "x");
    ASSERT_TRUE(ledger.tell(sink).ok());
    if (i < LossLedger::kToldAtOnce) {
      EXPECT_EQ(sink.count, i + 1);
    }
  }
  ASSERT_TRUE(ledger.tell_all(sink).ok());
  EXPECT_EQ(sink.count, kFlood);
  EXPECT_EQ(sink.bytes, 3 * kFlood);
  EXPECT_LE(sink.lines, LossLedger::kToldAtOnce + 15);
}

TEST(LossLedger, WhatTheSinkRefusedIsKept) {
  LossLedger ledger;
  CountingSink sink;
  sink.failing = true;
  ledger.note({}, PlaneLossReason::kNewGeneration, 0, "first");
  EXPECT_FALSE(ledger.tell(sink).ok());
  ledger.note({}, PlaneLossReason::kNewGeneration, 0, "second");
  sink.failing = false;
  ASSERT_TRUE(ledger.tell(sink).ok());
  EXPECT_EQ(sink.last.count, 2u);
  EXPECT_EQ(sink.last.detail, "first");
  EXPECT_FALSE(sink.last.cpu.has_value());
  ASSERT_TRUE(ledger.tell_all(sink).ok());
  EXPECT_EQ(sink.lines, 1u);
}

}  // namespace
}  // namespace ivtrace::ring
