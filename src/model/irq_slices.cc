#include "model/irq_slices.h"

#include <algorithm>
#include <array>

namespace ivtrace::model {
namespace {

// Names and numbers come from guests.
constexpr std::size_t kMaxNames = 4096;
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kMaxDepth = 32;  // on one CPU at a time

/// By vector, as softirq_entry's text has them (include/linux/interrupt.h).
constexpr std::array<const char*, 10> kSoftNames = {"HI",       "TIMER",   "NET_TX", "NET_RX",  "BLOCK",
                                                    "IRQ_POLL", "TASKLET", "SCHED",  "HRTIMER", "RCU"};

}  // namespace

IrqSlices::Machine::Known IrqSlices::known(const decode::FormatTable& formats, const char* event,
                                           const char* field) {
  const decode::EventFormat* const format = formats.find("irq", event);
  if (format == nullptr) return {};
  return {format->id, decode::IntegerReader(format->find(field))};
}

IrqSlices::IrqSlices(const run::RunReader& run, const merge::RunEvents& events,
                     std::function<void(const IrqSlice&)> sink)
    : sink_(std::move(sink)), names_{""} {
  for (const char* name : kSoftNames) place_of(name);
  for (std::size_t i = 0; i < run.machines().size(); ++i) {
    Machine& machine = machines_.emplace_back();
    for (const run::PagesFile& file : run.machines()[i].files) {
      if (file.cpu >= machine.cpus.size()) machine.cpus.resize(file.cpu + 1u);
    }
    const decode::FormatTable* const formats = events.formats(i);
    if (formats == nullptr) continue;
    machine.entry = known(*formats, "irq_handler_entry", "irq");
    machine.exit = known(*formats, "irq_handler_exit", "irq");
    machine.soft_entry = known(*formats, "softirq_entry", "vec");
    machine.soft_exit = known(*formats, "softirq_exit", "vec");
    if (machine.entry.number.known()) machine.name = formats->find("irq", "irq_handler_entry")->find("name");
  }
}

bool IrqSlices::recorded() const {
  return std::ranges::any_of(machines_, [](const Machine& machine) {
    return machine.entry.number.known() || machine.soft_entry.number.known();
  });
}

void IrqSlices::look(const merge::MergedEvent& event) {
  Machine& machine = machines_[event.stream->machine];
  if (event.loss != nullptr) {
    for (std::size_t cpu = 0; cpu < machine.cpus.size(); ++cpu) {
      if (!event.loss->cpu || event.loss->cpu->value == cpu) machine.cpus[cpu].clear();
    }
    return;
  }
  const auto is = [&](const Machine::Known& known) { return event.id == known.id && known.number.known(); };
  if (is(machine.entry)) return enter(event, machine, machine.entry, false);
  if (is(machine.exit)) return leave(event, machine, machine.exit, false);
  if (is(machine.soft_entry)) return enter(event, machine, machine.soft_entry, true);
  if (is(machine.soft_exit)) return leave(event, machine, machine.soft_exit, true);
}

void IrqSlices::enter(const merge::MergedEvent& event, Machine& machine, const Machine::Known& known,
                      bool soft) {
  std::vector<IrqSlice>& open = machine.cpus[event.stream->cpu.value];
  if (open.size() >= kMaxDepth) return;
  IrqSlice slice;
  slice.machine = event.stream->machine;
  slice.cpu = event.stream->cpu;
  slice.soft = soft;
  slice.number = static_cast<std::int32_t>(known.number.read(event.record, -1));
  slice.from = event.time;
  if (!soft) {
    slice.name = name_of(machine, slice.number, event.record);
  } else if (slice.number >= 0 && slice.number < static_cast<std::int32_t>(kSoftNames.size())) {
    slice.name = static_cast<std::uint32_t>(slice.number) + 1;
  }
  open.push_back(slice);
}

// What stands above it in the stack has ended too, unseen.
void IrqSlices::leave(const merge::MergedEvent& event, Machine& machine, const Machine::Known& known,
                      bool soft) {
  std::vector<IrqSlice>& open = machine.cpus[event.stream->cpu.value];
  const auto number = static_cast<std::int32_t>(known.number.read(event.record, -1));
  const auto found = std::find_if(open.rbegin(), open.rend(), [&](const IrqSlice& slice) {
    return slice.soft == soft && slice.number == number;
  });
  if (found == open.rend()) return;
  found->until = event.time;
  sink_(*found);
  open.erase(std::prev(found.base()), open.end());
}

std::uint32_t IrqSlices::name_of(Machine& machine, std::int32_t irq, decode::RecordBytes record) {
  if (machine.name == nullptr) return 0;
  const std::string_view name =
      decode::read_string(record, *machine.name).value_or("").substr(0, kMaxNameBytes);
  // Several drivers may share an interrupt, so it does not tell the name; but mostly it does.
  if (const auto last = machine.last_names.find(irq); last != machine.last_names.end()) {
    if (names_[last->second] == name) return last->second;
  } else if (machine.last_names.size() >= kMaxNames) {
    return place_of(name);
  }
  return machine.last_names[irq] = place_of(name);
}

std::uint32_t IrqSlices::place_of(std::string_view name) {
  if (name.empty()) return 0;
  const auto found = places_.find(std::string(name));
  if (found != places_.end()) return found->second;
  if (names_.size() >= kMaxNames) return 0;
  names_.emplace_back(name);
  return places_[names_.back()] = static_cast<std::uint32_t>(names_.size() - 1);
}

}  // namespace ivtrace::model
