#include "exchange/timedoctor_names.h"

#include <fmt/format.h>

#include "exchange/timedoctor_marks.h"
#include "format/run_layout.h"

namespace ivtrace::exchange {
namespace {

using Part = TimedoctorPart;
using Topic = TimedoctorTopic;

/// The host's threads that run vCPUs, by name.
std::unordered_map<std::int64_t, std::string> name_vcpus(const run::RunReader& run) {
  std::unordered_map<std::int64_t, std::string> names;
  for (const run::Machine& machine : run.machines()) {
    for (const run::VcpuRecord& vcpu : machine.vcpus) {
      const auto [name, is_new] =
          names.try_emplace(vcpu.thread, fmt::format("{}:vcpu{}", machine.info.name, vcpu.index));
      if (!is_new) name->second = machine.info.name + ":vcpus";  // one thread for several
    }
  }
  return names;
}

std::string thread_name(std::int64_t number) {
  return timedoctor_thread(static_cast<std::int32_t>(number >> 32), static_cast<std::int32_t>(number));
}

}  // namespace

TimedoctorBlockName::TimedoctorBlockName(const TimedoctorRows& rows)
    : machine(rows.text(TimedoctorBlock::kMachine)),
      part(static_cast<Part>(rows.number(TimedoctorBlock::kPart))),
      cpu(rows.number(TimedoctorBlock::kCpu)),
      thread(rows.number(TimedoctorBlock::kThread)) {}

bool TimedoctorBlockName::is_of(const TimedoctorRows& rows) const {
  return rows.there() && rows.number(TimedoctorBlock::kCpu) == cpu &&
         rows.number(TimedoctorBlock::kPart) == static_cast<std::int64_t>(part) &&
         rows.number(TimedoctorBlock::kThread) == thread && rows.text(TimedoctorBlock::kMachine) == machine;
}

std::string TimedoctorBlockName::text() const {
  if (part == Part::kDisks) return machine + ":disks";
  if (part == Part::kMarks) return machine + ":marks";
  if (part == Part::kCpu) return fmt::format("{}:cpu{}", machine, cpu);
  return thread == 0 ? fmt::format("{}:vcpu{}", machine, cpu) : fmt::format("{}:vcpus-{}", machine, thread);
}

TimedoctorNames::TimedoctorNames(const run::RunReader& run) : vcpus_(name_vcpus(run)) {}

std::string TimedoctorNames::line(const TimedoctorBlockName& block, Topic topic,
                                  const TimedoctorRows& lines) const {
  const std::int64_t number = lines.number(TimedoctorLines::kNumber);
  const std::string_view name = lines.text(TimedoctorLines::kName);
  switch (topic) {
    case Topic::kTask:
      return task(block, number, lines.text(TimedoctorLines::kComm), lines.text(TimedoctorLines::kOwner));
    case Topic::kInterrupt:
      return fmt::format("irq{}:{}", number, name);
    case Topic::kSoftirq:
      return fmt::format("softirq:{}", name.empty() ? std::to_string(number) : std::string(name));
    case Topic::kDisk:
      return fmt::format("disk:{}", name);
    case Topic::kMarkSlice:
      return fmt::format("{}:{}", thread_name(number), name);
    case Topic::kMarkInstant:
      return thread_name(number);
    case Topic::kVcpuState:
    case Topic::kMarkCounter:
      break;
  }
  return std::string(name);
}

std::string TimedoctorNames::task(const TimedoctorBlockName& block, std::int64_t tid, std::string_view comm,
                                  std::string_view owner) const {
  if (tid == 0) return "idle";
  if (block.machine == format::kHostMachine) {
    if (const auto vcpu = vcpus_.find(tid); vcpu != vcpus_.end())
      return fmt::format("{}-{}", vcpu->second, tid);
  }
  const bool is_guests = !owner.empty() && owner != format::kHostMachine;
  return fmt::format("{}{}{}-{}", owner.substr(0, is_guests ? owner.size() : 0), is_guests ? ":" : "",
                     comm.empty() ? "?" : comm, tid);
}

}  // namespace ivtrace::exchange
