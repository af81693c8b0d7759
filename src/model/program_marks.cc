#include "model/program_marks.h"

#include <algorithm>
#include <utility>

#include "format/text_event.h"

namespace ivtrace::model {
namespace {

std::int32_t number(const decode::IntegerReader& reader, decode::RecordBytes record) {
  return static_cast<std::int32_t>(reader.read(record, 0));
}

}  // namespace

ProgramMarks::Known ProgramMarks::known(const decode::FormatTable& formats, std::string_view event) {
  const decode::EventFormat* const format = formats.find(format::kMarkSystem, event);
  if (format == nullptr) return {};
  Known known;
  known.id = format->id;
  known.tgid = decode::IntegerReader(format->find("tgid"));
  known.tid = decode::IntegerReader(format->find("tid"));
  known.value = decode::IntegerReader(format->find("value"));
  known.name = format->find("name");
  return known;
}

ProgramMarks::ProgramMarks(const run::RunReader& run, const merge::RunEvents& events, MarkSinks sinks)
    : sinks_(std::move(sinks)), names_{""} {
  for (std::size_t i = 0; i < run.machines().size(); ++i) {
    Machine& machine = machines_.emplace_back();
    if (const decode::FormatTable* const formats = events.formats(i); formats != nullptr) {
      machine.begin = known(*formats, "begin");
      machine.end = known(*formats, "end");
      machine.instant = known(*formats, "instant");
      machine.counter = known(*formats, "counter");
    }
  }
}

void ProgramMarks::look(const merge::MergedEvent& event) {
  Machine& machine = machines_[event.stream->machine];
  if (event.loss != nullptr) {
    ++machine.holes;
    return;
  }
  if (event.id == 0) return;
  if (event.id == machine.begin.id) return begin(event, machine);
  if (event.id == machine.end.id) return end(event, machine);
  if (event.id == machine.instant.id) return instant(event, machine);
  if (event.id == machine.counter.id) return counter(event, machine);
}

void ProgramMarks::begin(const merge::MergedEvent& event, const Machine& machine) {
  Open open;
  MarkSlice& slice = open.slice;
  slice.machine = event.stream->machine;
  slice.tgid = number(machine.begin.tgid, event.record);
  slice.tid = number(machine.begin.tid, event.record);
  if (slice.tid == 0) slice.tid = decode::event_pid(event.record);
  slice.from = event.time;
  open.holes = machine.holes;
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
  slice.name = name_of(machine.begin, event.record);
  thread.push_back(open);
  ++open_;
}

void ProgramMarks::end(const merge::MergedEvent& event, const Machine& machine) {
  std::int32_t tid = number(machine.end.tid, event.record);
  if (tid == 0) tid = decode::event_pid(event.record);
  const std::int32_t tgid = number(machine.end.tgid, event.record);
  const auto thread = threads_.find({event.stream->machine, tid});
  if (thread == threads_.end()) {
    ++ends_alone_;
    return;
  }
  // The number may have been another process' thread before; the first atrace did not name the process at
  // all.
  std::vector<Open>& stack = thread->second;
  const auto found = std::find_if(stack.rbegin(), stack.rend(),
                                  [tgid](const Open& open) { return tgid == 0 || open.slice.tgid == tgid; });
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

void ProgramMarks::instant(const merge::MergedEvent& event, const Machine& machine) {
  MarkInstant mark;
  mark.machine = event.stream->machine;
  mark.cpu = event.stream->cpu;
  mark.tgid = number(machine.instant.tgid, event.record);
  mark.tid = number(machine.instant.tid, event.record);
  if (mark.tid == 0) mark.tid = decode::event_pid(event.record);
  mark.name = name_of(machine.instant, event.record);
  mark.time = event.time;
  sinks_.instant(mark);
}

void ProgramMarks::counter(const merge::MergedEvent& event, const Machine& machine) {
  MarkCounter next;
  next.machine = event.stream->machine;
  next.tgid = number(machine.counter.tgid, event.record);
  next.name = name_of(machine.counter, event.record);
  next.value = machine.counter.value.read(event.record, 0);
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

std::uint32_t ProgramMarks::name_of(const Known& known, decode::RecordBytes record) {
  if (known.name == nullptr) return 0;
  const std::string name(decode::read_string(record, *known.name).value_or("").substr(0, kMaxNameBytes));
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
