#include "query/journal_tables.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "query/recorded.h"

namespace ivtrace::query {
namespace {

using Held = std::variant<std::monostate, std::int64_t, double, std::string>;
using Row = std::vector<Held>;
using MakeRows = std::function<std::vector<Row>(const run::RunReader&, const clock::HostClock&)>;

class MemoryTable : public Table {
 public:
  MemoryTable(TableInfo info, MakeRows make, const run::RunReader& run, const clock::HostClock& clock)
      : info_(std::move(info)), make_(std::move(make)), run_(run), clock_(clock) {}

  const TableInfo& info() const override { return info_; }
  double row_estimate() const override { return 100; }
  std::unique_ptr<Cursor> open() override;
  const std::vector<Row>& rows() {
    if (!rows_) rows_ = make_(run_, clock_);
    return *rows_;
  }

 private:
  TableInfo info_;
  MakeRows make_;
  const run::RunReader& run_;
  const clock::HostClock& clock_;
  std::optional<std::vector<Row>> rows_;
};

class MemoryCursor : public Cursor {
 public:
  explicit MemoryCursor(MemoryTable& table) : table_(table) {}

  Status start(std::span<const Constraint>, std::uint32_t) override {
    rows_ = table_.rows();
    at_ = 0;
    return {};
  }
  Status next() override {
    ++at_;
    return {};
  }
  bool at_end() const override { return at_ >= rows_.size(); }
  Cell cell(int column) override {
    const Held& held = rows_[at_][static_cast<std::size_t>(column)];
    if (const auto* const text = std::get_if<std::string>(&held)) return std::string_view(*text);
    if (const auto* const number = std::get_if<std::int64_t>(&held)) return *number;
    if (const auto* const real = std::get_if<double>(&held)) return *real;
    return {};
  }
  std::int64_t row_id() const override { return static_cast<std::int64_t>(at_ + 1); }

 private:
  MemoryTable& table_;
  std::span<const Row> rows_;
  std::size_t at_ = 0;
};

std::unique_ptr<Cursor> MemoryTable::open() { return std::make_unique<MemoryCursor>(*this); }

constexpr auto kInteger = Type::kInteger;
constexpr auto kReal = Type::kReal;
constexpr auto kText = Type::kText;

Held integer(std::uint64_t number) { return static_cast<std::int64_t>(number); }
Held text_or_null(const std::string& text) { return text.empty() ? Held() : Held(text); }
/// NULL for the number that stands for "not known".
Held unless(std::int64_t number, std::int64_t unknown) { return number == unknown ? Held() : Held(number); }

// machine

TableInfo machine_info() {
  return {"machine",
          "The host and the guests of the run",
          {{"name", kText, "", "as all tables call it; host is the host's"},
           {"kind", kText, "", "host or guest"},
           {"kernel", kText, "", "its kernel's release; NULL: not known"},
           {"hostname", kText, "", "NULL: not known"},
           {"uuid", kText, "", "of the guest, as QEMU has it; NULL: none"},
           {"boot_id", kText, "", "of its kernel's boot; NULL: not known"},
           {"cpus", kInteger, "", "how many CPUs it has; NULL: not known"},
           {"tsc_khz", kInteger, "kHz", "speed of its TSC; NULL: not known"},
           {"accel", kText, "", "kvm or tcg; NULL for the host, and when not known"},
           {"qemu_pid", kInteger, "", "QEMU's process on the host; NULL for the host"},
           {"host_only", kInteger, "", "1: it has no agent and is seen from the host only"},
           {"cpu_limit", kReal, "CPUs",
            "so much CPU time its vCPUs may have together, by its control groups; NULL: no limit is known"},
           {"note", kText, "", "what is worth telling of it; NULL: nothing"}}};
}
std::vector<Row> machine_rows(const run::RunReader& run, const clock::HostClock&) {
  std::vector<Row> rows;
  for (const run::Machine& machine : run.machines()) {
    const run::MachineRecord& info = machine.info;
    rows.push_back({info.name, info.kind, text_or_null(info.kernel_release), text_or_null(info.hostname),
                    text_or_null(info.uuid), text_or_null(info.boot_id), unless(info.cpu_count, 0),
                    unless(static_cast<std::int64_t>(info.tsc_khz), 0), text_or_null(info.accel),
                    unless(info.qemu_pid, 0), std::int64_t{info.host_only},
                    info.cpu_limit_us == 0 ? Held() : Held(static_cast<double>(info.cpu_limit_us) / 1e6),
                    text_or_null(info.note)});
  }
  return rows;
}

// recorded

TableInfo recorded_info() {
  return {"recorded",
          "What the run has of each machine, and why not more",
          {{"machine", kText, "", "whose; NULL: the run as a whole"},
           {"what", kText, "", "events, clock, block, …: see below"},
           {"recorded", kInteger, "", "1: it is in the run; 0: an empty table says nothing about it"},
           {"reason", kText, "", "why it is not, or not all of it; NULL: it is all there"},
           {"option", kText, "", "how to record it; NULL: it is there, or nothing helps"}}};
}
std::vector<Row> recorded_rows(const run::RunReader& run, const clock::HostClock&) {
  std::vector<Row> rows;
  for (const Recorded& row : recorded_of(run)) {
    rows.push_back({text_or_null(row.machine), row.what, std::int64_t{row.recorded}, text_or_null(row.reason),
                    text_or_null(row.option)});
  }
  return rows;
}

// cpu

TableInfo cpu_info() {
  return {"cpu",
          "CPUs of all machines, and what their kernels' trace buffers counted",
          {{"machine", kText, "", "whose CPU"},
           {"cpu", kInteger, "", "its number there"},
           {"apic_id", kInteger, "", "its APIC ID, by which a guest's CPU is a vCPU's; NULL: not known"},
           {"online", kInteger, "", "1: in use when it was looked at; NULL: not known"},
           {"delivered", kInteger, "events", "taken out of the kernel's buffer; NULL: never counted"},
           {"overrun", kInteger, "events", "overwritten before that"},
           {"dropped", kInteger, "events", "that found no place"},
           {"commit_overrun", kInteger, "events", "lost since interrupts were nested too deep"},
           {"unread", kInteger, "events", "left in the buffer at the end"},
           {"stalls", kInteger, "", "how often the guest's ring was full"},
           {"final", kInteger, "", "1: counted behind the last event; 0: the recorder died before"}}};
}
std::vector<Row> cpu_rows(const run::RunReader& run, const clock::HostClock&) {
  std::vector<Row> rows;
  for (const run::Machine& machine : run.machines()) {
    struct Known {
      const format::AgentCpu* agent = nullptr;
      format::CpuCounters sum;
      bool counted = false;
      bool final = true;
    };
    std::map<std::uint32_t, Known> cpus;
    for (const format::AgentCpu& cpu : machine.info.cpus) cpus[cpu.cpu].agent = &cpu;
    for (const run::PagesFile& file : machine.files) cpus.try_emplace(file.cpu);
    // A CPU has one record for each buffer and each life of the guest's ring.
    for (const run::CountersRecord& record : machine.counters) {
      Known& known = cpus[record.counters.cpu];
      known.counted = true;
      known.final = known.final && record.final_counters;
      known.sum.delivered += record.counters.delivered;
      known.sum.overrun += record.counters.overrun;
      known.sum.dropped += record.counters.dropped;
      known.sum.commit_overrun += record.counters.commit_overrun;
      known.sum.unread += record.counters.unread;
      known.sum.stalls += record.counters.stalls;
    }
    for (const auto& [cpu, known] : cpus) {
      const bool counted = known.counted;
      const auto counter = [counted](std::uint64_t number) { return counted ? integer(number) : Held(); };
      rows.push_back(
          {machine.info.name, integer(cpu), known.agent != nullptr ? integer(known.agent->apic_id) : Held(),
           known.agent != nullptr ? integer(known.agent->online) : Held(), counter(known.sum.delivered),
           counter(known.sum.overrun), counter(known.sum.dropped), counter(known.sum.commit_overrun),
           counter(known.sum.unread), counter(known.sum.stalls), counter(known.final)});
    }
  }
  return rows;
}

// vcpu

TableInfo vcpu_info() {
  return {"vcpu",
          "vCPUs of the guests, and the host's threads that run them",
          {{"machine", kText, "", "the guest"},
           {"vcpu", kInteger, "", "QEMU's index of it"},
           {"thread", kInteger, "", "the host's thread that runs it"},
           {"apic_id", kInteger, "", "its APIC ID; NULL: not known"},
           {"cpu", kInteger, "", "the guest's own number of that CPU; NULL: nobody told"}}};
}
std::vector<Row> vcpu_rows(const run::RunReader& run, const clock::HostClock&) {
  std::vector<Row> rows;
  for (const run::Machine& machine : run.machines()) {
    for (const run::VcpuRecord& vcpu : machine.vcpus) {
      Held cpu;
      for (const format::AgentCpu& agent : machine.info.cpus) {
        if (vcpu.apic_id >= 0 && agent.apic_id == static_cast<std::uint32_t>(vcpu.apic_id))
          cpu = integer(agent.cpu);
      }
      rows.push_back({machine.info.name, std::int64_t{vcpu.index}, std::int64_t{vcpu.thread},
                      unless(vcpu.apic_id, -1), cpu});
    }
  }
  return rows;
}

// thread

struct KnownThread {
  std::string comm;
  std::optional<std::size_t> guest;
  std::optional<std::int32_t> vcpu;
};
using Threads = std::map<std::int32_t, KnownThread>;

TableInfo thread_info() {
  return {
      "thread",
      "Threads whose name or owner is known: the kernels' own lists, and QEMU's threads on the host",
      {{"machine", kText, "", "on which it runs"},
       {"tid", kInteger, "", "its number there"},
       {"comm", kText, "", "the last name that its kernel told at the end; NULL: not known"},
       {"guest", kText, "", "the guest that it works for; NULL: none"},
       {"vcpu", kInteger, "", "QEMU's index of the vCPU that it runs, the first of several; NULL: none"}}};
}
/// Lines "tid comm", as the kernel's saved_cmdlines has them.
void add_cmdlines(const std::string& text, Threads& threads) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    std::int32_t tid = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), tid);
    const auto digits = static_cast<std::size_t>(end - line.data());
    if (error != std::errc{} || digits >= line.size() || line[digits] != ' ' || tid <= 0) continue;
    threads[tid].comm = line.substr(digits + 1);
  }
}
void add_qemu_threads(const run::RunReader& run, Threads& threads) {
  for (std::size_t i = 0; i < run.machines().size(); ++i) {
    const run::Machine& machine = run.machines()[i];
    if (machine.info.qemu_pid > 0) threads[machine.info.qemu_pid].guest = i;
    for (const run::ThreadsRecord& record : machine.threads) {
      for (const std::int32_t tid : record.threads) threads[tid].guest = i;
    }
    for (const run::VcpuRecord& vcpu : machine.vcpus) {
      KnownThread& thread = threads[vcpu.thread];
      thread.guest = i;
      if (!thread.vcpu) thread.vcpu = vcpu.index;
    }
  }
}
std::vector<Row> thread_rows(const run::RunReader& run, const clock::HostClock&) {
  std::vector<Row> rows;
  for (const run::Machine& machine : run.machines()) {
    Threads threads;
    if (const auto text = run.read_text(machine.info.name, format::kCmdlinesName))
      add_cmdlines(*text, threads);
    if (machine.info.name == format::kHostMachine) add_qemu_threads(run, threads);
    for (const auto& [tid, thread] : threads) {
      rows.push_back({machine.info.name, std::int64_t{tid}, text_or_null(thread.comm),
                      thread.guest ? Held(run.machines()[*thread.guest].info.name) : Held(),
                      thread.vcpu ? Held(std::int64_t{*thread.vcpu}) : Held()});
    }
  }
  return rows;
}

// disk

TableInfo disk_info() {
  return {"disk",
          "Disks of the guests, as QEMU has them",
          {{"machine", kText, "", "the guest"},
           {"device", kText, "", "QEMU's name of it, or its path in QEMU's device tree"},
           {"path", kText, "", "the image, on the host"},
           {"format", kText, "", "raw, qcow2, …; NULL: not known"},
           {"aio", kText, "", "threads, native or io_uring; NULL: not known"},
           {"cache", kText, "", "none, writeback, …; NULL: not known"},
           {"host_device", kText, "", "major:minor of the block device or of the image's file system"},
           {"limit_iops", kInteger, "requests/s", "reads and writes together; NULL: no limit is known"},
           {"limit_iops_read", kInteger, "requests/s", "reads; NULL: no limit is known"},
           {"limit_iops_write", kInteger, "requests/s", "writes; NULL: no limit is known"},
           {"limit_bps", kInteger, "bytes/s", "reads and writes together; NULL: no limit is known"},
           {"limit_bps_read", kInteger, "bytes/s", "reads; NULL: no limit is known"},
           {"limit_bps_write", kInteger, "bytes/s", "writes; NULL: no limit is known"},
           {"limit_by", kText, "", "who sets them: qemu, cgroup, or qemu, cgroup; NULL: no limit is known"}}};
}
Held limit_or_null(std::uint64_t limit) {
  return limit == 0 || limit >= format::kNoSuchLimit ? Held() : integer(limit);
}
/// Of a dev_t as stat() gives it, which the C library encodes in another way than the kernel itself.
std::string user_device_text(std::uint64_t device) {
  return fmt::format("{}:{}", gnu_dev_major(device), gnu_dev_minor(device));
}
std::vector<Row> disk_rows(const run::RunReader& run, const clock::HostClock&) {
  std::vector<Row> rows;
  for (const run::Machine& machine : run.machines()) {
    for (const run::DiskRecord& disk : machine.disks) {
      Row& row = rows.emplace_back(
          Row{machine.info.name, disk.device, disk.path, text_or_null(disk.format), text_or_null(disk.aio),
              text_or_null(disk.cache),
              disk.device_number == 0 ? Held() : Held(user_device_text(disk.device_number))});
      for (const auto field : format::kLimitFields) row.push_back(limit_or_null(disk.limits.*field));
      row.push_back(text_or_null(disk.limits.by));
    }
  }
  return rows;
}

// clock

TableInfo clock_info() {
  return {"clock",
          "What each guest's clock was found to be: guest TSC = host TSC * ratio + offset, in epochs",
          {{"machine", kText, "", "the guest"},
           {"cpu", kInteger, "", "its CPU; NULL: all of them"},
           {"from_ns", kInteger, "ns", "when the epoch was found, since the run's start"},
           {"valid_from", kInteger, "guest ticks", "the relation holds for guest times from here on"},
           {"uncertain", kInteger, "guest ticks", "and may hold up to so much earlier"},
           {"offset", kInteger, "ticks", "of the relation"},
           {"ratio", kReal, "", "of the relation"},
           {"source", kText, "", "handshake, kvm-debugfs, …"},
           {"error_ns", kInteger, "ns", "bound on the offset's error"}}};
}
std::vector<Row> clock_rows(const run::RunReader& run, const clock::HostClock& clock) {
  std::vector<Row> rows;
  for (const run::Machine& machine : run.machines()) {
    for (const clock::Epoch& epoch : machine.epochs) {
      const clock::TscRelation& relation = epoch.relation;
      const double ratio = static_cast<double>(relation.ratio) /
                           static_cast<double>(std::uint64_t{1} << (relation.frac_bits & 63));
      rows.push_back({machine.info.name, epoch.cpu ? integer(*epoch.cpu) : Held(),
                      clock.to_ns(epoch.host_from).value, integer(epoch.valid_from.value),
                      integer(epoch.uncertain), relation.offset, ratio, std::string(to_string(epoch.source)),
                      clock.ticks_to_ns(epoch.error).value});
    }
  }
  return rows;
}

}  // namespace

std::vector<std::unique_ptr<Table>> journal_tables(const run::RunReader& run, const clock::HostClock& clock) {
  std::vector<std::unique_ptr<Table>> tables;
  const auto add = [&](TableInfo info, MakeRows make) {
    tables.push_back(std::make_unique<MemoryTable>(std::move(info), std::move(make), run, clock));
  };
  add(machine_info(), machine_rows);
  add(recorded_info(), recorded_rows);
  add(cpu_info(), cpu_rows);
  add(vcpu_info(), vcpu_rows);
  add(thread_info(), thread_rows);
  add(disk_info(), disk_rows);
  add(clock_info(), clock_rows);
  return tables;
}

}  // namespace ivtrace::query
