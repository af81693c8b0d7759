#include "query/sched_slices.h"

#include <algorithm>

namespace ivtrace::query {

const char* to_string(SliceEnd end) {
  switch (end) {
    case SliceEnd::kRunnable:
      return "runnable";
    case SliceEnd::kAsleep:
      return "asleep";
    case SliceEnd::kDead:
      return "dead";
    case SliceEnd::kOpen:
      return "open";
  }
  return "";
}

SchedSlices::SchedSlices(const run::RunReader& run, std::function<void(const SchedSlice&)> sink)
    : sink_(std::move(sink)) {
  for (const run::Machine& machine : run.machines()) {
    Cpus& cpus = machines_.emplace_back();
    for (const run::PagesFile& file : machine.files) {
      if (file.cpu >= cpus.size()) cpus.resize(file.cpu + 1u);
    }
  }
}

void SchedSlices::look(const merge::MergedEvent& event, const model::SchedEvents::Seen& seen) {
  if (seen.step != model::SchedEvents::Step::kSwitch) return;
  const CpuId cpu = event.stream->cpu;
  const SliceEnd end = seen.dead ? SliceEnd::kDead : seen.runnable ? SliceEnd::kRunnable : SliceEnd::kAsleep;
  close(event.stream->machine, cpu.value, event.time, end);
  machines_[event.stream->machine][cpu.value] = {true, seen.next, event.time};
}

void SchedSlices::lose(const merge::MergedEvent& event) {
  // The last event before the hole is the last moment at which the thread is known to have had the CPU.
  const merge::LossMarker& loss = *event.loss;
  const Cpus& cpus = machines_[event.stream->machine];
  for (std::size_t cpu = 0; cpu < cpus.size(); ++cpu) {
    if (loss.cpu && loss.cpu->value != cpu) continue;
    close(event.stream->machine, cpu, std::clamp(loss.from, cpus[cpu].since, event.time), SliceEnd::kOpen);
  }
}

void SchedSlices::finish(HostTsc at) {
  for (std::size_t machine = 0; machine < machines_.size(); ++machine) {
    for (std::size_t cpu = 0; cpu < machines_[machine].size(); ++cpu)
      close(machine, cpu, at, SliceEnd::kOpen);
  }
}

void SchedSlices::close(std::size_t machine, std::size_t cpu, HostTsc until, SliceEnd end) {
  Running& running = machines_[machine][cpu];
  if (!running.known) return;
  running.known = false;
  if (end == SliceEnd::kOpen && until <= running.since) return;  // nothing is known of it
  sink_({machine, CpuId(static_cast<std::uint32_t>(cpu)), running.task, running.since, until, end});
}

}  // namespace ivtrace::query
