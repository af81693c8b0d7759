#include "query/slow_io_rows.h"

namespace ivtrace::query {
namespace {

void add_loads(const model::SlowIo& slow, std::uint64_t number, const Span& span, double ns_per_tick,
               Rows<IoSlowLoadRow>& loads) {
  model::LoadIntegral all;
  model::LoadIntegral others;
  const auto is_own = [&](const model::IoOwner& owner) {
    return static_cast<std::size_t>(owner.machine) == slow.machine;
  };
  for (const auto& [owner, load] : slow.work.owners) {
    all += load;
    if (!is_own(owner)) others += load;
  }
  const auto share = [](double part, double whole) { return whole > 0 ? part / whole : 0; };
  for (const auto& [owner, load] : slow.work.owners) {
    IoSlowLoadRow row;
    static_cast<Span&>(row) = span;
    row.slow = number;
    row.byte_ns = load.byte_ticks * ns_per_tick;
    row.request_ns = load.request_ticks * ns_per_tick;
    row.bytes_share = share(load.byte_ticks, all.byte_ticks);
    row.requests_share = share(load.request_ticks, all.request_ticks);
    row.others_share =
        is_own(owner)
            ? -1
            : (share(load.byte_ticks, others.byte_ticks) + share(load.request_ticks, others.request_ticks)) /
                  2;
    row.machine = static_cast<std::uint32_t>(owner.machine);
    owner.task.copy(row.task.comm.data(), row.task.comm.size());
    row.direction = owner.direction;
    loads.append(row);
  }
}

}  // namespace

Result<SlowIoRows> slow_io_rows(const std::vector<model::SlowIo>& found, double ns_per_tick,
                                clock::NearClock& clock) {
  IVT_ASSIGN_OR_RETURN(Rows<IoSlowRow> slows, Rows<IoSlowRow>::create());
  IVT_ASSIGN_OR_RETURN(Rows<IoSlowLoadRow> loads, Rows<IoSlowLoadRow>::create());
  for (const model::SlowIo& slow : found) {
    IoSlowRow row;
    row.from_ns = clock.to_ns(slow.from).value;
    row.until_ns = clock.to_ns(slow.until).value;
    row.requests = slow.requests;
    row.bytes = slow.bytes;
    row.slowest = slow.slowest;
    row.total_ns = slow.total * ns_per_tick;
    row.expected_ns = slow.expected * ns_per_tick;
    for (std::size_t i = 0; i < row.added_ns.size(); ++i) row.added_ns[i] = slow.added[i] * ns_per_tick;
    row.stay_ns = slow.stay * ns_per_tick;
    row.served = static_cast<double>(slow.work.requests);
    row.served_bytes = static_cast<double>(slow.work.bytes);
    row.device_cost = slow.device_cost;
    row.machine = static_cast<std::uint32_t>(slow.machine);
    row.disk = slow.disk ? static_cast<std::int32_t>(*slow.disk) : -1;
    row.device = slow.device;
    row.host_device = slow.host_device;
    row.direction = slow.direction;
    row.baseline = slow.baseline;
    slows.append(row);
    add_loads(slow, slows.file().size(), row, ns_per_tick, loads);
  }
  IVT_RETURN_IF_ERROR(slows.seal());
  IVT_RETURN_IF_ERROR(loads.seal());
  return SlowIoRows{std::move(slows), std::move(loads)};
}

}  // namespace ivtrace::query
