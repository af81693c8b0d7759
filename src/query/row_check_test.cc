#include "query/row_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>

namespace ivtrace::query {
namespace {

/// Two machines, of which the second has a disk; two of everything else.
class RowCheckTest : public ::testing::Test {
 protected:
  RowCheckTest() { machines_[1].disks.resize(1); }

  template <class Row>
  bool accepts(const Row& row) const {
    return RowCheck({machines_, 2, 2, 2, 2, 2, 2}).accepts(row);
  }
  /// What a field may be, and what not.
  template <class Row, class Field, class Value>
  void check(Row row, Field Row::*field, std::initializer_list<Value> good,
             std::initializer_list<Value> bad) {
    EXPECT_TRUE(accepts(row));
    for (const Value value : good) {
      row.*field = static_cast<Field>(value);
      EXPECT_TRUE(accepts(row)) << +value;
    }
    for (const Value value : bad) {
      row.*field = static_cast<Field>(value);
      EXPECT_FALSE(accepts(row)) << +value;
    }
  }
  template <class Row>
  void check_bool(Row row, bool Row::*field) {
    for (int byte = 0; byte < 256; ++byte) {
      std::memset(&(row.*field), byte, 1);
      EXPECT_EQ(accepts(row), byte < 2) << byte;
    }
  }
  template <class Row>
  void check_span(Row row) {
    row.from_ns = 1;
    EXPECT_FALSE(accepts(row));
    row.until_ns = 1;
    EXPECT_TRUE(accepts(row));
  }

  std::vector<run::Machine> machines_ = std::vector<run::Machine>(2);
};

TEST_F(RowCheckTest, MarksReferToWhatIsThere) {
  check(MarkSliceRow(), &MarkSliceRow::machine, {0, 1}, {2, -1});
  check(MarkSliceRow(), &MarkSliceRow::name, {0, 1}, {2, -1});
  check_bool(MarkSliceRow(), &MarkSliceRow::open);
  check_bool(MarkSliceRow(), &MarkSliceRow::doubtful);
  check_span(MarkSliceRow());
  check(MarkInstantRow(), &MarkInstantRow::machine, {0, 1}, {2, -1});
  check(MarkInstantRow(), &MarkInstantRow::name, {0, 1}, {2, -1});
  MarkInstantRow long_instant;
  long_instant.until_ns = 1;
  EXPECT_FALSE(accepts(long_instant));
  check(MarkCounterRow(), &MarkCounterRow::machine, {0, 1}, {2, -1});
  check(MarkCounterRow(), &MarkCounterRow::name, {0, 1}, {2, -1});
  check_bool(MarkCounterRow(), &MarkCounterRow::open);
  check_span(MarkCounterRow());
}

TEST_F(RowCheckTest, SlicesReferToWhatIsThere) {
  check(VcpuSliceRow(), &VcpuSliceRow::lane, {0, 1}, {2, -1});
  check(VcpuSliceRow(), &VcpuSliceRow::by_machine, {-1, 0, 1}, {-2, 2});
  check(VcpuSliceRow(), &VcpuSliceRow::state, {0, 6}, {7, 255});
  check_bool(VcpuSliceRow(), &VcpuSliceRow::open);
  check_span(VcpuSliceRow());
  check(QemuSliceRow(), &QemuSliceRow::machine, {0, 1}, {2, -1});
  check(QemuSliceRow(), &QemuSliceRow::by_machine, {-1, 0, 1}, {-2, 2});
  check(QemuSliceRow(), &QemuSliceRow::state, {0, 4}, {5, 255});
  check_bool(QemuSliceRow(), &QemuSliceRow::open);
  check_span(QemuSliceRow());
  check(SchedSliceRow(), &SchedSliceRow::machine, {0, 1}, {2, -1});
  check(SchedSliceRow(), &SchedSliceRow::owner, {-1, 0, 1}, {2, -2});
  check(SchedSliceRow(), &SchedSliceRow::end, {0, 3}, {4, 255});
  check_span(SchedSliceRow());
  check(IrqSliceRow(), &IrqSliceRow::machine, {0, 1}, {2, -1});
  check(IrqSliceRow(), &IrqSliceRow::name, {0, 1}, {2, -1});
  check_bool(IrqSliceRow(), &IrqSliceRow::soft);
  check_span(IrqSliceRow());
}

TEST_F(RowCheckTest, CallsLossesAndBlockRequestsReferToWhatIsThere) {
  check(QemuCallRow(), &QemuCallRow::machine, {0, 1}, {2, -1});
  const auto calls = static_cast<int>(model::call_count());
  check(QemuCallRow(), &QemuCallRow::call, {0, calls - 1}, {calls, -1});
  check_span(QemuCallRow());
  check(LossRow(), &LossRow::machine, {0, 1}, {2, -1});
  check(LossRow(), &LossRow::reason, {0, 1}, {2, -1});
  for (bool LossRow::*const flag :
       {&LossRow::has_until, &LossRow::has_events, &LossRow::has_bytes, &LossRow::has_cpu})
    check_bool(LossRow(), flag);
  check_span(LossRow());
  check(BlockRequestRow(), &BlockRequestRow::machine, {0, 1}, {2, -1});
  check(BlockRequestRow(), &BlockRequestRow::owner, {-1, 0, 1}, {-2, 2});
  check(BlockRequestRow(), &BlockRequestRow::direction, {0, 4}, {5, 255});
  check_span(BlockRequestRow());
}

TEST_F(RowCheckTest, RequestsAndWhenTheyWereSlowReferToWhatIsThere) {
  check(IoRequestRow(), &IoRequestRow::machine, {0, 1}, {2, -1});
  check(IoRequestRow(), &IoRequestRow::disk, {-1}, {0, 1, -2});
  IoRequestRow request;
  request.machine = 1;
  check(request, &IoRequestRow::disk, {-1, 0}, {1, -2});
  check(request, &IoRequestRow::direction, {0, 4}, {5, 255});
  check(request, &IoRequestRow::tie, {0, 5}, {6, 255});
  check_span(request);
  IoPhaseRow phase;
  phase.request = 1;
  check(phase, &IoPhaseRow::request, {1, 2}, {0, 3, -1});
  check(phase, &IoPhaseRow::kind, {0, 16}, {17, 255});
  check_span(phase);
  IoSlowRow slow;
  slow.machine = 1;
  slow.requests = 1;
  check(slow, &IoSlowRow::requests, {1}, {0});
  check(slow, &IoSlowRow::slowest, {0, 2}, {3, -1});
  check(slow, &IoSlowRow::disk, {-1, 0}, {1, -2});
  check(slow, &IoSlowRow::direction, {0, 4}, {5, 255});
  check(slow, &IoSlowRow::baseline, {0, 1}, {2, 255});
  check(slow, &IoSlowRow::total_ns, {0.0, -1.0}, {std::numeric_limits<double>::quiet_NaN()});
  check_span(slow);
  slow.added_ns[model::kIoParts - 1] = std::numeric_limits<double>::infinity();
  EXPECT_FALSE(accepts(slow));
  IoSlowLoadRow load;
  load.slow = 1;
  check(load, &IoSlowLoadRow::slow, {1, 2}, {0, 3, -1});
  check(load, &IoSlowLoadRow::machine, {0, 1}, {2, -1});
  check(load, &IoSlowLoadRow::direction, {0, 4}, {5, 255});
  check(load, &IoSlowLoadRow::others_share, {-1.0, 1.0}, {std::numeric_limits<double>::infinity()});
  check_span(load);
}

TEST_F(RowCheckTest, KeysRise) {
  RowCheck check({machines_, 0, 0, 0, 2, 0});
  IoPhaseRow phase;
  for (const std::uint64_t request : {1, 1, 2}) {
    phase.request = request;
    EXPECT_TRUE(check.accepts(phase));
  }
  phase.request = 1;
  EXPECT_FALSE(check.accepts(phase));
}

/// A pad is shorter than a word, else a field is forgotten.
template <class Row>
void check_pads() {
  const std::vector<std::uint64_t> bits = used_bits<Row>();
  const auto* const bytes = reinterpret_cast<const unsigned char*>(bits.data());
  const auto unused = std::count(bytes, bytes + sizeof(Row), 0);
  EXPECT_LT(unused, 8) << sizeof(Row);
  EXPECT_EQ(std::count(bytes, bytes + sizeof(Row), 0xff), static_cast<std::ptrdiff_t>(sizeof(Row)) - unused);
}

TEST(UsedBits, AreAllButThePads) {
  check_pads<VcpuSliceRow>();
  check_pads<QemuSliceRow>();
  check_pads<SchedSliceRow>();
  check_pads<IrqSliceRow>();
  check_pads<BlockRequestRow>();
  check_pads<QemuCallRow>();
  check_pads<IoRequestRow>();
  check_pads<IoPhaseRow>();
  check_pads<IoSlowRow>();
  check_pads<IoSlowLoadRow>();
  check_pads<MarkSliceRow>();
  check_pads<MarkInstantRow>();
  check_pads<MarkCounterRow>();
  check_pads<LossRow>();
}

}  // namespace
}  // namespace ivtrace::query
