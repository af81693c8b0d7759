#include "view/slice_totals.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "view/tracks.h"

namespace ivtrace::view {
namespace {

using query::ModelRows;

struct Sum {
  std::int64_t ns = 0;
  std::int64_t times = 0;

  void add(std::int64_t more) {
    ns += more;
    ++times;
  }
};
/// A sum, and the last name that its thread had.
struct TaskSum : Sum {
  model::Task task;
};

Json column(const char* name, const char* unit = "") { return {{"name", name}, {"unit", unit}}; }

/// Puts the largest sums into the table. `cells` gives a row of what is known by its key.
template <class Sums, class Cells>
void fill(SumTable& table, const Sums& sums, std::size_t most, Cells cells) {
  std::vector<const typename Sums::value_type*> largest;
  for (const auto& one : sums) largest.push_back(&one);
  std::stable_sort(largest.begin(), largest.end(),
                   [](auto* a, auto* b) { return a->second.ns > b->second.ns; });
  table.more = largest.size() > most;
  if (table.more) largest.resize(most);
  for (const auto* one : largest) table.rows.push_back(cells(one->first, one->second));
}

const std::string& name_of(const ModelRows& rows, std::int64_t machine) {
  return rows.run().machines()[static_cast<std::size_t>(machine)].info.name;
}
Json name_or_null(const ModelRows& rows, std::int64_t machine) {
  return machine >= 0 ? Json(name_of(rows, machine)) : Json();
}
std::string task_name(const model::Task& task) { return task.tid == 0 ? "idle" : std::string(task.name()); }

/// The vCPU that a lane runs; null when it runs several in turns.
Json vcpu_of(const model::VcpuLane& lane) {
  return lane.vcpus.size() == 1 ? Json(lane.vcpus.front().index) : Json();
}
const std::string& machine_of(const ModelRows& rows, const model::VcpuLane& lane) {
  return name_of(rows, static_cast<std::int64_t>(lane.vcpus.front().machine));
}

/// Of the host's CPUs and of the guests', by thread.
Status add_cpus(const ModelRows& rows, const Stretch& stretch, std::size_t most, query::StopFlag stop,
                std::vector<SumTable>& tables) {
  std::map<std::pair<std::int32_t, std::int32_t>, TaskSum> host;     // by owner and thread
  std::map<std::pair<std::uint32_t, std::int32_t>, TaskSum> guests;  // by machine and thread
  std::set<std::uint32_t> cpus;
  const auto add = [&](const query::SchedSliceRow& row) {
    TaskSum& sum = row.machine == 0 ? host[{row.owner, row.task.tid}] : guests[{row.machine, row.task.tid}];
    if (row.machine == 0) cpus.insert(row.cpu);
    sum.add(ns_within(row, stretch));
    sum.task = row.task;
  };
  IVT_RETURN_IF_ERROR(for_each_within(rows.sched_slices(), stretch, stop, add));
  std::map<std::int32_t, std::string> vcpus;  // by thread
  for (const model::VcpuLane& lane : rows.lanes()) {
    std::string name = lane.vcpus.size() == 1 ? "vCPU " + std::to_string(lane.vcpus.front().index) : "vCPUs";
    vcpus[lane.vcpus.front().thread.value] = std::move(name);
  }
  const double all =
      static_cast<double>(cpus.size()) * static_cast<double>(stretch.until_ns - stretch.from_ns);
  SumTable on_host = {"Who had the host's CPUs",
                      {column("for"), column("task"), column("thread"), column("time", "ns"),
                       column("share", "share"), column("times")}};
  fill(on_host, host, most, [&](const auto& key, const TaskSum& sum) -> Json {
    const auto vcpu = vcpus.find(key.second);
    const bool is_idle = key.second == 0;
    return {is_idle ? Json() : name_or_null(rows, key.first),
            vcpu != vcpus.end() ? vcpu->second : task_name(sum.task),
            key.second,
            sum.ns,
            static_cast<double>(sum.ns) / all,
            sum.times};
  });
  SumTable in_guests = {
      "What ran in the guests",
      {column("machine"), column("task"), column("thread"), column("time", "ns"), column("times")}};
  fill(in_guests, guests, most, [&](const auto& key, const TaskSum& sum) -> Json {
    return {name_of(rows, key.first), task_name(sum.task), key.second, sum.ns, sum.times};
  });
  tables.push_back(std::move(on_host));
  tables.push_back(std::move(in_guests));
  return {};
}

/// What vCPUs did, and who ran while they had to wait.
Status add_vcpus(const ModelRows& rows, const Stretch& stretch, std::size_t most, query::StopFlag stop,
                 std::vector<SumTable>& tables) {
  using model::VcpuState;
  std::map<std::tuple<std::uint32_t, VcpuState, std::uint32_t>, Sum>
      states;  // by lane, state, and an exit's reason
  std::map<std::tuple<std::uint32_t, std::int32_t, std::int32_t>, TaskSum>
      waits;  // by lane, machine, and thread
  const auto add = [&](const query::VcpuSliceRow& row) {
    const std::int64_t ns = ns_within(row, stretch);
    states[{row.lane, row.state, row.state == VcpuState::kExit ? row.reason : 0}].add(ns);
    if (row.state != VcpuState::kPreempted) return;
    TaskSum& sum = waits[{row.lane, row.by_machine, row.by.tid}];
    sum.add(ns);
    sum.task = row.by;
  };
  IVT_RETURN_IF_ERROR(for_each_within(rows.vcpu_slices(), stretch, stop, add));
  const auto length = static_cast<double>(stretch.until_ns - stretch.from_ns);
  SumTable did = {"What vCPUs did",
                  {column("machine"), column("vCPU"), column("state"), column("why"), column("time", "ns"),
                   column("share", "share"), column("times")}};
  fill(did, states, most, [&](const auto& key, const Sum& sum) -> Json {
    const model::VcpuLane& lane = rows.lanes()[std::get<0>(key)];
    const bool is_exit = std::get<1>(key) == VcpuState::kExit;
    return {machine_of(rows, lane),
            vcpu_of(lane),
            to_string(std::get<1>(key)),
            is_exit ? Json(rows.exit_reason(std::get<2>(key))) : Json(),
            sum.ns,
            static_cast<double>(sum.ns) / length,
            sum.times};
  });
  SumTable waited = {"Who ran while vCPUs had to wait",
                     {column("machine"), column("vCPU"), column("for"), column("task"), column("thread"),
                      column("time", "ns"), column("times")}};
  fill(waited, waits, most, [&](const auto& key, const TaskSum& sum) -> Json {
    const model::VcpuLane& lane = rows.lanes()[std::get<0>(key)];
    const bool is_known = sum.task.tid >= 0;
    return {machine_of(rows, lane),
            vcpu_of(lane),
            name_or_null(rows, std::get<1>(key)),
            is_known ? Json(task_name(sum.task)) : Json(),
            is_known ? Json(sum.task.tid) : Json(),
            sum.ns,
            sum.times};
  });
  tables.push_back(std::move(did));
  tables.push_back(std::move(waited));
  return {};
}

Status add_interrupts(const ModelRows& rows, const Stretch& stretch, std::size_t most, query::StopFlag stop,
                      std::vector<SumTable>& tables) {
  std::map<std::tuple<std::uint32_t, bool, std::uint32_t, std::int32_t>, Sum>
      sums;  // by machine, kind, name, number
  const auto add = [&](const query::IrqSliceRow& row) {
    sums[{row.machine, row.soft, row.name, row.number}].add(ns_within(row, stretch));
  };
  IVT_RETURN_IF_ERROR(for_each_within(rows.irq_slices(), stretch, stop, add));
  SumTable table = {"Interrupts",
                    {column("machine"), column("kind"), column("number"), column("name"),
                     column("time", "ns"), column("times")}};
  fill(table, sums, most, [&](const auto& key, const Sum& sum) -> Json {
    return {name_of(rows, std::get<0>(key)),
            std::get<1>(key) ? "softirq" : "irq",
            std::get<3>(key),
            rows.irq_names()[std::get<2>(key)],
            sum.ns,
            sum.times};
  });
  tables.push_back(std::move(table));
  return {};
}

/// What programs say that they did.
Status add_programs(const ModelRows& rows, const Stretch& stretch, std::size_t most, query::StopFlag stop,
                    std::vector<SumTable>& tables) {
  std::map<std::tuple<std::uint32_t, std::int32_t, std::uint32_t>, Sum> sums;  // by machine, process, name
  const auto add = [&](const query::MarkSliceRow& row) {
    sums[{row.machine, row.tgid, row.name}].add(ns_within(row, stretch));
  };
  IVT_RETURN_IF_ERROR(for_each_within(rows.mark_slices(), stretch, stop, add));
  SumTable table = {
      "What programs did",
      {column("machine"), column("process"), column("slice"), column("time", "ns"), column("times")}};
  fill(table, sums, most, [&](const auto& key, const Sum& sum) -> Json {
    return {name_of(rows, std::get<0>(key)), std::get<1>(key), rows.mark_names()[std::get<2>(key)], sum.ns,
            sum.times};
  });
  tables.push_back(std::move(table));
  return {};
}

/// A guest's disk, and what was done with it.
struct RequestKey {
  std::uint32_t machine = 0;
  std::uint32_t device = 0;
  model::IoDirection direction = model::IoDirection::kRead;

  auto operator<=>(const RequestKey&) const = default;
};
struct RequestSum : Sum {
  std::uint64_t bytes = 0;
  std::int64_t longest_ns = 0;
  std::int32_t disk = -1;
};

std::string disk_name(const ModelRows& rows, const RequestKey& key, std::int32_t disk) {
  const auto& disks = rows.run().machines()[key.machine].disks;
  const auto index = static_cast<std::size_t>(disk);
  return disk >= 0 && index < disks.size() ? disks[index].device : device_text(key.device);
}

/// The guests' requests as a whole, and their phases: also what of them lies beyond the stretch.
Status add_requests(const ModelRows& rows, const Stretch& stretch, std::size_t most, query::StopFlag stop,
                    std::vector<SumTable>& tables) {
  std::map<RequestKey, RequestSum> requests;
  std::map<std::pair<RequestKey, model::IoPhaseKind>, Sum> phases;
  std::vector<bool> is_within(rows.io_requests().file().size());
  Stretch all = stretch;  // of these requests, whose phases may lie outside
  const query::IoRequestRow* const first = is_within.empty() ? nullptr : &rows.io_requests()[0];
  const auto add = [&](const query::IoRequestRow& row) {
    RequestSum& sum = requests[{row.machine, row.device, row.direction}];
    const std::int64_t took = row.until_ns - row.from_ns;
    sum.add(took);
    sum.bytes += row.bytes;
    sum.longest_ns = std::max(sum.longest_ns, took);
    sum.disk = row.disk;
    is_within[static_cast<std::size_t>(&row - first)] = true;
    all = {std::min(all.from_ns, row.from_ns), std::max(all.until_ns, row.until_ns)};
  };
  IVT_RETURN_IF_ERROR(for_each_within(rows.io_requests(), stretch, stop, add));
  IVT_RETURN_IF_ERROR(for_each_within(rows.io_phases(), all, stop, [&](const query::IoPhaseRow& row) {
    if (row.request == 0 || row.request > is_within.size() || !is_within[row.request - 1]) return;
    const query::IoRequestRow& request = rows.io_requests()[row.request - 1];
    phases[{{request.machine, request.device, request.direction}, row.kind}].add(row.until_ns - row.from_ns);
  }));
  const auto mean = [](const Sum& sum) {
    return static_cast<double>(sum.ns) / static_cast<double>(sum.times);
  };
  const auto head = [&](const RequestKey& key) -> Json {
    return {name_of(rows, key.machine), disk_name(rows, key, requests[key].disk),
            model::to_string(key.direction)};
  };
  SumTable table = {"Requests of the guests",
                    {column("machine"), column("disk"), column("direction"), column("requests"),
                     column("bytes", "bytes"), column("mean", "ns"), column("longest", "ns")}};
  fill(table, requests, most, [&](const RequestKey& key, const RequestSum& sum) {
    Json row = head(key);
    for (Json& cell : std::vector<Json>{sum.times, sum.bytes, mean(sum), sum.longest_ns})
      row.push_back(std::move(cell));
    return row;
  });
  SumTable parts = {"Where these requests were",
                    {column("machine"), column("disk"), column("direction"), column("phase"),
                     column("time", "ns"), column("share", "share"), column("mean", "ns")}};
  fill(parts, phases, most, [&](const auto& key, const Sum& sum) {
    Json row = head(key.first);
    const double share = static_cast<double>(sum.ns) / static_cast<double>(requests[key.first].ns);
    for (Json& cell : std::vector<Json>{model::to_string(key.second), sum.ns, share, mean(sum)})
      row.push_back(std::move(cell));
    return row;
  });
  tables.push_back(std::move(table));
  tables.push_back(std::move(parts));
  return {};
}

}  // namespace

Result<std::vector<SumTable>> slice_totals(const ModelRows& rows, const Stretch& stretch, std::size_t most,
                                           query::StopFlag stop) {
  std::vector<SumTable> tables;
  IVT_RETURN_IF_ERROR(add_cpus(rows, stretch, most, stop, tables));
  IVT_RETURN_IF_ERROR(add_vcpus(rows, stretch, most, stop, tables));
  IVT_RETURN_IF_ERROR(add_requests(rows, stretch, most, stop, tables));
  IVT_RETURN_IF_ERROR(add_interrupts(rows, stretch, most, stop, tables));
  IVT_RETURN_IF_ERROR(add_programs(rows, stretch, most, stop, tables));
  std::erase_if(tables, [](const SumTable& table) { return table.rows.empty(); });
  return tables;
}

}  // namespace ivtrace::view
