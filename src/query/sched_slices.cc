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

SchedSlices::SchedSlices(const run::RunReader& run, const merge::RunEvents& events,
                         std::function<void(const SchedSlice&)> sink)
    : sink_(std::move(sink)) {
  for (std::size_t i = 0; i < run.machines().size(); ++i) {
    machines_.push_back({model::SchedEvents(events.formats(i)), {}});
    for (const run::PagesFile& file : run.machines()[i].files) {
      if (file.cpu >= machines_[i].cpus.size()) machines_[i].cpus.resize(file.cpu + 1u);
    }
  }
}

void SchedSlices::look(const merge::MergedEvent& event) {
  now_ = event.time;
  if (event.loss != nullptr) return lose(event);
  Machine& machine = machines_[event.stream->machine];
  const CpuId cpu = event.stream->cpu;
  const auto seen = machine.events.look(event.id, event.record, cpu);
  if (seen.step != model::SchedEvents::Step::kSwitch) return;
  const SliceEnd end = seen.dead ? SliceEnd::kDead : seen.runnable ? SliceEnd::kRunnable : SliceEnd::kAsleep;
  close(event.stream->machine, cpu.value, event.time, end);
  machine.cpus[cpu.value] = {true, seen.next, event.time};
}

void SchedSlices::lose(const merge::MergedEvent& event) {
  // The last event before the hole is the last moment at which the thread is known to have had the CPU.
  const merge::LossMarker& loss = *event.loss;
  const std::vector<Running>& cpus = machines_[event.stream->machine].cpus;
  for (std::size_t cpu = 0; cpu < cpus.size(); ++cpu) {
    if (loss.cpu && loss.cpu->value != cpu) continue;
    close(event.stream->machine, cpu, std::clamp(loss.from, cpus[cpu].since, now_), SliceEnd::kOpen);
  }
}

void SchedSlices::finish() {
  for (std::size_t machine = 0; machine < machines_.size(); ++machine) {
    for (std::size_t cpu = 0; cpu < machines_[machine].cpus.size(); ++cpu)
      close(machine, cpu, now_, SliceEnd::kOpen);
  }
}

bool SchedSlices::recorded() const {
  return std::ranges::any_of(machines_, [](const Machine& machine) { return machine.events.has_switches(); });
}

void SchedSlices::close(std::size_t machine, std::size_t cpu, HostTsc until, SliceEnd end) {
  Running& running = machines_[machine].cpus[cpu];
  if (!running.known) return;
  running.known = false;
  if (end == SliceEnd::kOpen && until <= running.since) return;  // nothing is known of it
  sink_({machine, CpuId(static_cast<std::uint32_t>(cpu)), running.task, running.since, until, end});
}

}  // namespace ivtrace::query
