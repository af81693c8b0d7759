#include "model/program_marks.h"

#include <algorithm>
#include <utility>

namespace ivtrace::model {
namespace {

std::int32_t number(const decode::IntegerReader& reader, decode::RecordBytes record) {
  return static_cast<std::int32_t>(reader.read(record, 0));
}

/// What the header does not write: a mark has the same name whichever way it came.
bool is_replaced(unsigned char c) { return c < 0x20 || c == 0x7f || c == '|'; }

}  // namespace

ProgramMarks::ProgramMarks(const run::RunReader& run, const merge::RunEvents& events, MarkSinks sinks)
    : sinks_(std::move(sinks)), names_{""} {
  for (std::size_t i = 0; i < run.machines().size(); ++i) {
    const decode::FormatTable* const formats = events.formats(i);
    Machine machine{{}, {}, ThreadProcesses(formats), {}, 0};
    if (formats != nullptr) machine.events = mark_events(run.machines()[i], *formats);
    for (const auto& [id, event] : machine.events) {
      if (event.probed) machine.probed.insert(event.kind);
    }
    machines_.push_back(std::move(machine));
  }
}

void ProgramMarks::look(const merge::MergedEvent& event) {
  Machine& machine = machines_[event.stream->machine];
  if (event.loss != nullptr) {
    ++machine.holes;
    machine.echoes.forget();
    return;
  }
  const auto found = machine.events.find(event.id);
  if (found == machine.events.end()) return machine.processes.look(event.id, event.record);
  const MarkEvent& mark = found->second;
  if (is_echo(mark, machine, event.record)) return;
  const Who marker = who(mark, machine, event.record);
  switch (mark.kind) {
    case MarkKind::kBegin:
      return begin(event, mark, marker);
    case MarkKind::kEnd:
      return end(event, marker);
    case MarkKind::kInstant:
      return instant(event, mark, marker);
    case MarkKind::kCounter:
      return counter(event, mark, marker);
  }
}

/// Learns from what was written, too.
bool ProgramMarks::is_echo(const MarkEvent& mark, Machine& machine, decode::RecordBytes record) const {
  const std::int32_t writer = decode::event_pid(record);
  if (mark.probed) return machine.echoes.is_echo(writer, mark.kind);
  if (machine.probed.contains(mark.kind)) machine.echoes.written(writer, mark.kind);
  return false;
}

ProgramMarks::Who ProgramMarks::who(const MarkEvent& mark, const Machine& machine,
                                    decode::RecordBytes record) {
  Who who{number(mark.tgid, record), number(mark.tid, record)};
  if (who.tid == 0) who.tid = decode::event_pid(record);
  if (mark.probed) who.tgid = machine.processes.process(who.tid);
  return who;
}

void ProgramMarks::begin(const merge::MergedEvent& event, const MarkEvent& mark, Who who) {
  Open open;
  MarkSlice& slice = open.slice;
  slice.machine = event.stream->machine;
  slice.tgid = who.tgid;
  slice.tid = who.tid;
  slice.from = event.time;
  open.holes = machines_[slice.machine].holes;
  if (open_ >= kMaxOpen) {
    ++too_many_slices_;
    return;
  }
  std::vector<Open>& thread = threads_[{slice.machine, slice.tid}];
  if (thread.size() >= kMaxDepth) {
    ++too_many_slices_;
    return;
  }
  slice.depth = static_cast<std::uint32_t>(thread.size());
  slice.name = name_of(mark, event.record);
  thread.push_back(open);
  ++open_;
}

void ProgramMarks::end(const merge::MergedEvent& event, Who who) {
  const auto thread = threads_.find({event.stream->machine, who.tid});
  if (thread == threads_.end()) {
    ++ends_alone_;
    return;
  }
  // The number may have been another process' thread before; the first atrace did not name the process at
  // all, and no probe does.
  std::vector<Open>& stack = thread->second;
  const auto found = std::find_if(stack.rbegin(), stack.rend(), [tgid = who.tgid](const Open& open) {
    return tgid == 0 || open.slice.tgid == 0 || open.slice.tgid == tgid;
  });
  if (found == stack.rend()) {
    ++ends_alone_;
    return;
  }
  close(*found, event.time, true);
  stack.erase(std::prev(found.base()));
  --open_;
  if (stack.empty()) threads_.erase(thread);
}

void ProgramMarks::close(Open& open, HostTsc until, bool ended) {
  open.slice.until = until;
  open.slice.open = !ended;
  open.slice.doubtful = machines_[open.slice.machine].holes != open.holes;
  sinks_.slice(open.slice);
}

void ProgramMarks::instant(const merge::MergedEvent& event, const MarkEvent& mark_event, Who who) {
  MarkInstant mark;
  mark.machine = event.stream->machine;
  mark.cpu = event.stream->cpu;
  mark.tgid = who.tgid;
  mark.tid = who.tid;
  mark.name = name_of(mark_event, event.record);
  mark.time = event.time;
  sinks_.instant(mark);
}

void ProgramMarks::counter(const merge::MergedEvent& event, const MarkEvent& mark, Who who) {
  MarkCounter next;
  next.machine = event.stream->machine;
  next.tgid = who.tgid;
  next.name = name_of(mark, event.record);
  next.value = mark.value.read(event.record, 0);
  next.from = event.time;
  const CounterKey key(next.machine, next.tgid, next.name);
  const auto found = counters_.find(key);
  if (found == counters_.end()) {
    if (counters_.size() < kMaxCounters) {
      counters_.emplace(key, next);
    } else {
      ++too_many_counters_;
    }
    return;
  }
  found->second.until = event.time;
  sinks_.counter(found->second);
  found->second = next;
}

void ProgramMarks::finish(HostTsc end) {
  for (auto& [thread, stack] : threads_) {
    for (auto open = stack.rbegin(); open != stack.rend(); ++open) close(*open, end, false);
  }
  threads_.clear();
  open_ = 0;
  for (auto& [key, counter] : counters_) {
    counter.until = end;
    counter.open = true;
    sinks_.counter(counter);
  }
  counters_.clear();
}

std::uint32_t ProgramMarks::name_of(const MarkEvent& mark, decode::RecordBytes record) {
  if (mark.name == nullptr) return 0;
  std::string name(decode::read_string(record, *mark.name).value_or("").substr(0, kMaxNameBytes));
  if (mark.probed) std::replace_if(name.begin(), name.end(), is_replaced, '_');
  if (name.empty()) return 0;
  if (const auto found = places_.find(name); found != places_.end()) return found->second;
  if (names_.size() >= kMaxNames) {
    ++too_many_names_;
    return 0;
  }
  names_.push_back(name);
  return places_[name] = static_cast<std::uint32_t>(names_.size() - 1);
}

std::vector<std::string> ProgramMarks::problems() const {
  std::vector<std::string> lines;
  const auto tell = [&](std::uint64_t count, const char* what) {
    if (count > 0) lines.push_back("marks of programs: " + std::to_string(count) + " " + what);
  };
  tell(too_many_slices_, "slices are left out: too many were open at once");
  tell(too_many_names_, "are without their name: there are too many different ones");
  tell(too_many_counters_, "values are left out: there are too many counters");
  tell(ends_alone_, "ends had no begin, which may lie before the recording");
  return lines;
}

}  // namespace ivtrace::model
