// What a row may be, kind by kind. Rows that were made in this process are so by construction; those that
// come from a file are looked at, each once, before anybody uses a number in them as an index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "query/model_rows.h"

namespace ivtrace::query {

/// What the rows' numbers count in.
struct RowBounds {
  std::span<const run::Machine> machines;
  std::size_t lanes = 0;
  std::size_t irq_names = 0;
  std::size_t reasons = 0;
  std::uint64_t requests = 0;  ///< rows of io_request
  std::uint64_t slows = 0;     ///< rows of io_slow
  std::size_t mark_names = 0;
};

/// Looks at the rows of one kind, from the first to the last. Borrows the bounds' machines.
class RowCheck {
 public:
  explicit RowCheck(const RowBounds& bounds) : bounds_(bounds) {}

  bool accepts(const VcpuSliceRow& row);
  bool accepts(const QemuSliceRow& row);
  bool accepts(const SchedSliceRow& row);
  bool accepts(const IrqSliceRow& row);
  bool accepts(const BlockRequestRow& row);
  bool accepts(const QemuCallRow& row);
  bool accepts(const IoRequestRow& row);
  bool accepts(const IoPhaseRow& row);
  bool accepts(const IoSlowRow& row);
  bool accepts(const IoSlowLoadRow& row);
  bool accepts(const MarkSliceRow& row);
  bool accepts(const MarkInstantRow& row);
  bool accepts(const MarkCounterRow& row);
  bool accepts(const LossRow& row);

 private:
  bool is_machine(std::uint32_t machine) const { return machine < bounds_.machines.size(); }
  bool is_machine_or_none(std::int32_t machine) const;
  bool is_disk_or_none(std::uint32_t machine, std::int32_t disk) const;
  /// A key rises, and is a number from 1 to `count`.
  bool is_next_key(std::uint64_t key, std::uint64_t count);

  RowBounds bounds_;
  std::uint64_t last_key_ = 0;
};

/// The bits of a row that its fields have: the rest is padding, which says nothing and may be anything.
template <class Row>
std::vector<std::uint64_t> used_bits();

}  // namespace ivtrace::query
