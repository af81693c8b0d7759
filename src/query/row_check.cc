#include "query/row_check.h"

#include <cmath>
#include <cstring>

namespace ivtrace::query {
namespace {

bool is_span(const Span& row) { return row.from_ns <= row.until_ns; }
/// Any other byte than these is no bool, and to look at it as one means anything.
bool is_bool(const bool& value) {
  unsigned char byte = 0;
  std::memcpy(&byte, &value, 1);
  return byte <= 1;
}
template <class... Values>
bool are_finite(Values... values) {
  return (std::isfinite(values) && ...);
}
bool are_finite_parts(const std::array<double, model::kIoParts>& parts) {
  for (const double part : parts) {
    if (!std::isfinite(part)) return false;
  }
  return true;
}
bool is_direction(model::IoDirection direction) { return direction <= model::IoDirection::kOther; }

// A row's fields; who adds one to a row names it here, or it is not kept.
template <class Visit>
void visit_span(const Span& row, Visit visit) {
  visit(row.from_ns);
  visit(row.until_ns);
}
template <class Visit>
void visit_fields(const VcpuSliceRow& row, Visit visit) {
  visit(row.lane);
  visit(row.reason);
  visit(row.by);
  visit(row.by_machine);
  visit(row.state);
  visit(row.open);
}
template <class Visit>
void visit_fields(const QemuSliceRow& row, Visit visit) {
  visit(row.machine);
  visit(row.thread);
  visit(row.by);
  visit(row.by_machine);
  visit(row.state);
  visit(row.open);
}
template <class Visit>
void visit_fields(const SchedSliceRow& row, Visit visit) {
  visit(row.machine);
  visit(row.cpu);
  visit(row.task);
  visit(row.owner);
  visit(row.end);
}
template <class Visit>
void visit_fields(const IrqSliceRow& row, Visit visit) {
  visit(row.machine);
  visit(row.cpu);
  visit(row.number);
  visit(row.name);
  visit(row.soft);
}
template <class Visit>
void visit_fields(const BlockRequestRow& row, Visit visit) {
  visit(row.issued_ns);
  visit(row.sector);
  visit(row.bytes);
  visit(row.request);
  visit(row.machine);
  visit(row.device);
  visit(row.task);
  visit(row.owner);
  visit(row.owner_task);
  visit(row.direction);
}
template <class Visit>
void visit_fields(const QemuCallRow& row, Visit visit) {
  visit(row.result);
  visit(row.machine);
  visit(row.thread);
  visit(row.call);
}
template <class Visit>
void visit_fields(const IoRequestRow& row, Visit visit) {
  visit(row.sector);
  visit(row.bytes);
  visit(row.host_bytes);
  visit(row.entered_ns);
  visit(row.pushed_ns);
  visit(row.notified_ns);
  visit(row.machine);
  visit(row.disk);
  visit(row.device);
  visit(row.host_device);
  visit(row.host_requests);
  visit(row.host_thread);
  visit(row.task);
  visit(row.direction);
  visit(row.tie);
}
template <class Visit>
void visit_fields(const IoPhaseRow& row, Visit visit) {
  visit(row.request);
  visit(row.kind);
}
template <class Visit>
void visit_fields(const IoSlowRow& row, Visit visit) {
  visit(row.requests);
  visit(row.bytes);
  visit(row.slowest);
  visit(row.total_ns);
  visit(row.expected_ns);
  visit(row.added_ns);
  visit(row.stay_ns);
  visit(row.served);
  visit(row.served_bytes);
  visit(row.device_cost);
  visit(row.machine);
  visit(row.disk);
  visit(row.device);
  visit(row.host_device);
  visit(row.direction);
  visit(row.baseline);
}
template <class Visit>
void visit_fields(const IoSlowLoadRow& row, Visit visit) {
  visit(row.slow);
  visit(row.byte_ns);
  visit(row.request_ns);
  visit(row.bytes_share);
  visit(row.requests_share);
  visit(row.others_share);
  visit(row.machine);
  visit(row.task);
  visit(row.direction);
}
template <class Visit>
void visit_fields(const MarkSliceRow& row, Visit visit) {
  visit(row.machine);
  visit(row.tgid);
  visit(row.tid);
  visit(row.name);
  visit(row.depth);
  visit(row.open);
  visit(row.doubtful);
}
template <class Visit>
void visit_fields(const MarkInstantRow& row, Visit visit) {
  visit(row.machine);
  visit(row.cpu);
  visit(row.tgid);
  visit(row.tid);
  visit(row.name);
}
template <class Visit>
void visit_fields(const MarkCounterRow& row, Visit visit) {
  visit(row.value);
  visit(row.machine);
  visit(row.tgid);
  visit(row.name);
  visit(row.open);
}
template <class Visit>
void visit_fields(const LossRow& row, Visit visit) {
  visit(row.events);
  visit(row.bytes);
  visit(row.machine);
  visit(row.cpu);
  visit(row.reason);
  visit(row.has_until);
  visit(row.has_events);
  visit(row.has_bytes);
  visit(row.has_cpu);
  visit(row.has_place);
}

}  // namespace

template <class Row>
std::vector<std::uint64_t> used_bits() {
  static_assert(sizeof(Row) % sizeof(std::uint64_t) == 0);
  const Row row{};
  std::vector<std::uint64_t> bits(sizeof(Row) / sizeof(std::uint64_t));
  const auto mark = [&](const auto& field) {
    const auto offset = reinterpret_cast<const char*>(&field) - reinterpret_cast<const char*>(&row);
    std::memset(reinterpret_cast<char*>(bits.data()) + offset, 0xff, sizeof field);
  };
  visit_span(row, mark);
  visit_fields(row, mark);
  return bits;
}
template std::vector<std::uint64_t> used_bits<VcpuSliceRow>();
template std::vector<std::uint64_t> used_bits<QemuSliceRow>();
template std::vector<std::uint64_t> used_bits<SchedSliceRow>();
template std::vector<std::uint64_t> used_bits<IrqSliceRow>();
template std::vector<std::uint64_t> used_bits<BlockRequestRow>();
template std::vector<std::uint64_t> used_bits<QemuCallRow>();
template std::vector<std::uint64_t> used_bits<IoRequestRow>();
template std::vector<std::uint64_t> used_bits<IoPhaseRow>();
template std::vector<std::uint64_t> used_bits<IoSlowRow>();
template std::vector<std::uint64_t> used_bits<IoSlowLoadRow>();
template std::vector<std::uint64_t> used_bits<MarkSliceRow>();
template std::vector<std::uint64_t> used_bits<MarkInstantRow>();
template std::vector<std::uint64_t> used_bits<MarkCounterRow>();
template std::vector<std::uint64_t> used_bits<LossRow>();

bool RowCheck::is_machine_or_none(std::int32_t machine) const {
  return machine == -1 || (machine >= 0 && is_machine(static_cast<std::uint32_t>(machine)));
}
bool RowCheck::is_disk_or_none(std::uint32_t machine, std::int32_t disk) const {
  return disk == -1 || (disk >= 0 && static_cast<std::size_t>(disk) < bounds_.machines[machine].disks.size());
}
bool RowCheck::is_next_key(std::uint64_t key, std::uint64_t count) {
  const bool is_next = key >= 1 && key >= last_key_ && key <= count;
  last_key_ = key;
  return is_next;
}

bool RowCheck::accepts(const VcpuSliceRow& row) {
  return is_span(row) && row.lane < bounds_.lanes && is_machine_or_none(row.by_machine) &&
         row.state <= model::VcpuState::kBlocked && is_bool(row.open);
}
bool RowCheck::accepts(const QemuSliceRow& row) {
  return is_span(row) && is_machine(row.machine) && is_machine_or_none(row.by_machine) &&
         row.state <= model::ThreadState::kEnded && is_bool(row.open);
}
bool RowCheck::accepts(const SchedSliceRow& row) {
  return is_span(row) && is_machine(row.machine) && is_machine_or_none(row.owner) &&
         row.end <= SliceEnd::kOpen;
}
bool RowCheck::accepts(const IrqSliceRow& row) {
  return is_span(row) && is_machine(row.machine) && row.name < bounds_.irq_names && is_bool(row.soft);
}
bool RowCheck::accepts(const BlockRequestRow& row) {
  return is_span(row) && is_machine(row.machine) && is_machine_or_none(row.owner) &&
         is_direction(row.direction);
}
bool RowCheck::accepts(const QemuCallRow& row) {
  return is_span(row) && is_machine(row.machine) && row.call < model::call_count();
}
bool RowCheck::accepts(const IoRequestRow& row) {
  return is_span(row) && is_machine(row.machine) && is_disk_or_none(row.machine, row.disk) &&
         is_direction(row.direction) && row.tie <= model::IoTie::kUntied;
}
bool RowCheck::accepts(const IoPhaseRow& row) {
  return is_span(row) && is_next_key(row.request, bounds_.requests) &&
         row.kind <= model::IoPhaseKind::kUnattributed;
}
bool RowCheck::accepts(const IoSlowRow& row) {
  return is_span(row) && is_machine(row.machine) && is_disk_or_none(row.machine, row.disk) &&
         row.requests > 0 && row.slowest <= bounds_.requests && is_direction(row.direction) &&
         row.baseline <= model::IoBaseline::kService && are_finite_parts(row.added_ns) &&
         are_finite(row.total_ns, row.expected_ns, row.stay_ns, row.served, row.served_bytes,
                    row.device_cost);
}
bool RowCheck::accepts(const IoSlowLoadRow& row) {
  return is_span(row) && is_machine(row.machine) && is_next_key(row.slow, bounds_.slows) &&
         is_direction(row.direction) &&
         are_finite(row.byte_ns, row.request_ns, row.bytes_share, row.requests_share, row.others_share);
}
bool RowCheck::accepts(const MarkSliceRow& row) {
  return is_span(row) && is_machine(row.machine) && row.name < bounds_.mark_names && is_bool(row.open) &&
         is_bool(row.doubtful);
}
bool RowCheck::accepts(const MarkInstantRow& row) {
  return row.from_ns == row.until_ns && is_machine(row.machine) && row.name < bounds_.mark_names;
}
bool RowCheck::accepts(const MarkCounterRow& row) {
  return is_span(row) && is_machine(row.machine) && row.name < bounds_.mark_names && is_bool(row.open);
}
bool RowCheck::accepts(const LossRow& row) {
  return is_span(row) && is_machine(row.machine) && row.reason < bounds_.reasons && is_bool(row.has_until) &&
         is_bool(row.has_events) && is_bool(row.has_bytes) && is_bool(row.has_cpu) && is_bool(row.has_place);
}

}  // namespace ivtrace::query
