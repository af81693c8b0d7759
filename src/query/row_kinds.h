// The rows that only a walk over the whole run can tell, kind by kind. Plain values: they lie in files.
//
// Who adds a field names it in row_check.cc too, or it is not kept.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "model/io_request.h"
#include "model/qemu_threads.h"
#include "model/sched_events.h"
#include "model/slow_io.h"
#include "model/vcpu_states.h"
#include "query/row_file.h"
#include "query/sched_slices.h"

namespace ivtrace::query {

struct VcpuSliceRow : Span {
  std::uint32_t lane = 0;  ///< index in ModelRows::lanes()
  std::uint32_t reason = 0;
  model::Task by;
  std::int32_t by_machine = -1;  ///< -1: not known, or nobody
  model::VcpuState state = model::VcpuState::kGuest;
  bool open = false;
};
struct QemuSliceRow : Span {
  std::uint32_t machine = 0;
  model::Task thread;
  model::Task by;
  std::int32_t by_machine = -1;  ///< -1: not known, or nobody
  model::ThreadState state = model::ThreadState::kRunning;
  bool open = false;
};
struct SchedSliceRow : Span {
  std::uint32_t machine = 0;
  std::uint32_t cpu = 0;
  model::Task task;
  std::int32_t owner = -1;  ///< of the host's: machine that the thread works for; -1: idle, or a guest's CPU
  SliceEnd end = SliceEnd::kOpen;
};
struct IoRequestRow : Span {
  static constexpr std::int64_t kNoTime = std::numeric_limits<std::int64_t>::min();
  std::uint64_t sector = 0;
  std::uint64_t bytes = 0;
  std::uint64_t host_bytes = 0;
  std::int64_t entered_ns = kNoTime;
  std::int64_t pushed_ns = kNoTime;
  std::int64_t notified_ns = kNoTime;
  std::uint32_t machine = 0;
  std::int32_t disk = -1;  ///< index in Machine::disks, -1: not known
  std::uint32_t device = 0;
  std::uint32_t host_device = 0;
  std::uint32_t host_requests = 0;  ///< 0: not tied
  std::int32_t host_thread = 0;
  model::Task task;
  model::IoDirection direction = model::IoDirection::kRead;
  model::IoTie tie = model::IoTie::kUntied;
};
struct IoPhaseRow : Span {
  std::uint64_t request = 0;  ///< from 1: the IoRequestRow's place
  model::IoPhaseKind kind = model::IoPhaseKind::kUnattributed;
};
struct IoSlowRow : Span {
  std::uint64_t requests = 0;
  std::uint64_t bytes = 0;
  std::uint64_t slowest = 0;  ///< IoRequestRow's place, from 1
  double total_ns = 0;
  double expected_ns = 0;
  std::array<double, model::kIoParts> added_ns{};
  double stay_ns = 0;
  double served = 0;  ///< requests that the device finished
  double served_bytes = 0;
  double device_cost = 0;  ///< 0: not known
  std::uint32_t machine = 0;
  std::int32_t disk = -1;
  std::uint32_t device = 0;
  std::uint32_t host_device = 0;  ///< 0: not tied
  model::IoDirection direction = model::IoDirection::kRead;
  model::IoBaseline baseline = model::IoBaseline::kAlone;
};
struct IoSlowLoadRow : Span {
  std::uint64_t slow = 0;  ///< from 1: the IoSlowRow's place
  double byte_ns = 0;
  double request_ns = 0;
  double bytes_share = 0;
  double requests_share = 0;
  double others_share = 0;  ///< negative: it is the slow guest itself
  std::uint32_t machine = 0;
  model::Task task;  ///< its name only; of the host's
  model::IoDirection direction = model::IoDirection::kRead;
};
struct IrqSliceRow : Span {
  std::uint32_t machine = 0;
  std::uint32_t cpu = 0;
  std::int32_t number = 0;
  std::uint32_t name = 0;  ///< index in ModelRows::irq_names()
  bool soft = false;
};
struct BlockRequestRow : Span {
  std::int64_t issued_ns = 0;
  std::uint64_t sector = 0;
  std::uint64_t bytes = 0;
  std::uint64_t request = 0;  ///< io_request.id, 0: none
  std::uint32_t machine = 0;
  std::uint32_t device = 0;
  model::Task task;
  std::int32_t owner = -1;  ///< machine, -1: the request is a guest's
  model::Task owner_task;   ///< its name only
  model::IoDirection direction = model::IoDirection::kRead;
};
struct QemuCallRow : Span {
  std::int64_t result = 0;
  std::uint32_t machine = 0;
  std::int32_t thread = 0;
  std::uint32_t call = 0;
};
struct MarkSliceRow : Span {
  std::uint32_t machine = 0;
  std::int32_t tgid = 0;
  std::int32_t tid = 0;
  std::uint32_t name = 0;  ///< index in ModelRows::mark_names()
  std::uint32_t depth = 0;
  bool open = false;
  bool doubtful = false;
};
struct MarkInstantRow : Span {  ///< both times are the mark's
  std::uint32_t machine = 0;
  std::uint32_t cpu = 0;
  std::int32_t tgid = 0;
  std::int32_t tid = 0;
  std::uint32_t name = 0;  ///< index in ModelRows::mark_names()
};
struct MarkCounterRow : Span {
  std::int64_t value = 0;
  std::uint32_t machine = 0;
  std::int32_t tgid = 0;
  std::uint32_t name = 0;  ///< index in ModelRows::mark_names()
  bool open = false;
};
struct LossRow : Span {
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;
  std::uint32_t machine = 0;
  std::uint32_t cpu = 0;
  std::uint32_t reason = 0;  ///< index in ModelRows::reasons()
  bool has_until = false;    ///< else until_ns is the end of time
  bool has_events = false;
  bool has_bytes = false;
  bool has_cpu = false;
  bool has_place = false;  ///< else its times are the whole run's
};

enum class RowKind : std::uint8_t {
  kVcpuSlice,
  kQemuSlice,
  kSchedSlice,
  kIrqSlice,
  kBlockRequest,
  kQemuCall,
  kIoRequest,
  kIoPhase,
  kIoSlow,
  kIoSlowLoad,
  kMarkSlice,
  kMarkInstant,
  kMarkCounter,
  kLoss
};
inline constexpr std::size_t kRowKinds = 14;

/// Kinds of rows that know each other by their place, or none other: they are made and kept together. Known
/// by the first of them.
RowKind set_of(RowKind kind);

}  // namespace ivtrace::query
