// Whoever wants to see a run's rows while they are made.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "model/vcpu_states.h"
#include "query/row_kinds.h"

namespace ivtrace::query {

/// Told by ModelRows, in its thread, of each row that it makes, or finds in the cache, and of the words that
/// the row refers to by number; these are borrowed until the call returns. Rows come as they stand in their
/// tables.
class RowWatch {
 public:
  virtual ~RowWatch() = default;

  /// The rows of a set (set_of()) come, from the first one on. Told again of the same set: what came before
  /// does not count.
  virtual void begins(RowKind) {}
  /// Nothing comes for a while.
  virtual void pauses() {}
  /// Now and then: how far the walk has come, in nanoseconds since the run's start.
  virtual void walked_to(std::int64_t) {}

  virtual void take(const SchedSliceRow&) {}
  /// `exit`: the name of the row's reason, where it has one.
  virtual void take(const VcpuSliceRow&, const model::VcpuLane&, std::string_view /*exit*/) {}
  virtual void take(const QemuSliceRow&) {}
  virtual void take(const IrqSliceRow&, std::string_view /*name*/) {}
  virtual void take(const BlockRequestRow&, std::uint64_t /*id*/) {}
  virtual void take(const IoRequestRow&, std::uint64_t /*id*/, std::span<const IoPhaseRow>) {}
  virtual void take(const MarkSliceRow&, std::string_view /*name*/) {}
  virtual void take(const MarkInstantRow&, std::string_view /*name*/) {}
  virtual void take(const MarkCounterRow&, std::string_view /*name*/) {}
  virtual void take(const LossRow&) {}
};

}  // namespace ivtrace::query
