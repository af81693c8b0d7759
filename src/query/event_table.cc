#include "query/event_table.h"

#include <algorithm>
#include <optional>
#include <string>

#include "decode/comm_source.h"
#include "decode/comm_table.h"
#include "decode/print_event.h"
#include "merge/run_events.h"
#include "merge/symbols.h"

namespace ivtrace::query {
namespace {

enum EventColumn { kMachine, kCpu, kTime, kTid, kComm, kSystem, kName, kRendered, kUncertain };

const TableInfo& event_info() {
  static const TableInfo kInfo = {
      "event",
      "Every event of all machines, in one order on the host's clock",
      {{"machine", Type::kText, "", "where it happened", Search::kOneOf},
       {"cpu", Type::kInteger, "", "on which of the machine's CPUs", Search::kOneOf},
       {"time_ns", Type::kInteger, "ns", "since the run's start", Search::kRange},
       {"tid", Type::kInteger, "", "the machine's thread that was running", Search::kOneOf},
       {"comm", Type::kText, "", "that thread's name, as far as what was read tells it; NULL: not known"},
       {"system", Type::kText, "", "\"sched\"; NULL: the event's format is not known", Search::kOneOf},
       {"name", Type::kText, "", "\"sched_switch\"; NULL: the event's format is not known", Search::kOneOf},
       {"text", Type::kText, "", "as the kernel prints it; NULL: the event's format is not known"},
       {"uncertain_ns", Type::kInteger, "ns",
        "by how much the time may be off, since the guest's clock was just changing; 0 elsewhere"}},
      kTime};
  return kInfo;
}

constexpr std::uint64_t kAskEvery = 8192;  // events between two looks at the stop flag
constexpr std::string_view kUnknownComm = "<...>";

bool is_one_of(const std::vector<Value>& values, std::string_view text) {
  return std::any_of(values.begin(), values.end(), [text](const Value& value) {
    const auto* const wanted = std::get_if<std::string>(&value);
    return wanted == nullptr || *wanted == text;
  });
}
bool is_one_of(const std::vector<Value>& values, std::int64_t number) {
  return std::any_of(values.begin(), values.end(), [number](const Value& value) {
    const auto* const wanted = std::get_if<std::int64_t>(&value);
    return wanted == nullptr || *wanted == number;
  });
}

/// Walks the merged events. Formats belong to one opening of the run, so all that is learnt of them does too.
class EventCursor : public Cursor {
 public:
  EventCursor(const run::RunReader& run, const clock::HostClock& clock, StopFlag stop, Notices& notices)
      : run_(run), clock_(clock), stop_(stop), notices_(notices) {}

  Status start(std::span<const Constraint> constraints, std::uint32_t columns) override;
  Status next() override;
  bool at_end() const override { return ended_; }
  Cell cell(int column) override;
  std::int64_t row_id() const override { return static_cast<std::int64_t>(row_); }

 private:
  /// What an event's id says on one machine.
  struct Kind {
    const decode::EventFormat* format = nullptr;
    bool wanted = true;
    std::vector<decode::CommSource> comms;
  };
  struct Machine {
    std::vector<std::unique_ptr<Kind>> kinds;  ///< by id
    std::optional<decode::CommTable> comms;    ///< when names are asked for
    std::optional<decode::EventPrinter> printer;
  };

  bool uses(EventColumn column) const { return (columns_ >> column & 1) != 0; }
  merge::Filter filter_of(std::span<const Constraint> constraints, bool& nothing) const;
  bool wanted_kind(const decode::EventFormat* format) const;
  const Kind& kind_of(std::size_t machine, std::uint16_t id);
  std::string_view render();

  const run::RunReader& run_;
  const clock::HostClock& clock_;
  StopFlag stop_;
  Notices& notices_;
  std::vector<Constraint> constraints_;
  std::vector<const Constraint*> tids_;
  std::uint32_t columns_ = 0;
  std::optional<merge::RunEvents> events_;
  std::vector<Machine> machines_;  ///< by index in the run
  merge::MergedEvent event_;
  const Kind* kind_ = nullptr;  ///< of the current event; nullptr before the first
  std::uint64_t seen_ = 0;
  std::uint64_t row_ = 0;
  bool ended_ = false;
  std::string text_;
};

Status EventCursor::start(std::span<const Constraint> constraints, std::uint32_t columns) {
  constraints_.assign(constraints.begin(), constraints.end());
  columns_ = columns;
  tids_.clear();
  for (const Constraint& constraint : constraints_) {
    if (constraint.column == kTid) tids_.push_back(&constraint);
  }
  kind_ = nullptr;
  row_ = 0;
  ended_ = false;
  machines_.clear();
  events_.reset();
  const merge::Filter filter = filter_of(constraints, ended_);
  if (ended_) return {};
  IVT_ASSIGN_OR_RETURN(events_, merge::RunEvents::open(run_, filter));
  notices_.lines.insert(events_->notices().begin(), events_->notices().end());
  machines_.resize(run_.machines().size());
  for (std::size_t i = 0; uses(kComm) && i < machines_.size(); ++i) {
    if (events_->formats(i) == nullptr) continue;
    machines_[i].comms.emplace();
    if (const auto text = run_.read_text(run_.machines()[i].info.name, format::kCmdlinesName))
      machines_[i].comms->load(*text);
  }
  return next();
}

merge::Filter EventCursor::filter_of(std::span<const Constraint> constraints, bool& nothing) const {
  merge::Filter filter;
  std::vector<std::string> machines;
  for (const run::Machine& machine : run_.machines()) machines.push_back(machine.info.name);
  const std::size_t all_machines = machines.size();
  for (const Constraint& constraint : constraints) {
    if (constraint.column == kMachine)
      std::erase_if(machines, [&](const auto& name) { return !is_one_of(constraint.values, name); });
    if (constraint.column != kCpu || !filter.cpus.empty()) continue;
    for (const Value& value : constraint.values) {
      const auto* const cpu = std::get_if<std::int64_t>(&value);
      // A number that is no CPU's matches none; the list must not get empty by it, which would mean all.
      filter.cpus.push_back(
          cpu != nullptr && *cpu >= 0 && *cpu < UINT32_MAX ? static_cast<std::uint32_t>(*cpu) : UINT32_MAX);
    }
  }
  nothing = machines.empty();
  if (machines.size() < all_machines) filter.machines = std::move(machines);
  const Range time = range_of(constraints, kTime);
  nothing = nothing || time.low > time.high;
  // A microsecond more on both sides: to_tsc and to_ns round, and SQLite looks at each row's time again.
  constexpr std::int64_t kRound = 1000;
  constexpr std::int64_t kFar = std::int64_t{1} << 60;  // some 36 years
  if (time.low > -kFar) filter.range.from = clock_.to_tsc(Nanoseconds(std::min(time.low, kFar) - kRound));
  if (time.high < kFar) filter.range.until = clock_.to_tsc(Nanoseconds(std::max(time.high, -kFar) + kRound));
  return filter;
}

bool EventCursor::wanted_kind(const decode::EventFormat* format) const {
  return std::all_of(constraints_.begin(), constraints_.end(), [format](const Constraint& constraint) {
    if (constraint.column != kSystem && constraint.column != kName) return true;
    return format != nullptr &&
           is_one_of(constraint.values, constraint.column == kSystem ? format->system : format->name);
  });
}

const EventCursor::Kind& EventCursor::kind_of(std::size_t machine, std::uint16_t id) {
  auto& kinds = machines_[machine].kinds;
  if (id < kinds.size() && kinds[id] != nullptr) return *kinds[id];
  auto kind = std::make_unique<Kind>();
  const decode::FormatTable* const formats = events_->formats(machine);
  kind->format = formats != nullptr ? formats->find(id) : nullptr;
  kind->wanted = wanted_kind(kind->format);
  if (kind->format != nullptr && machines_[machine].comms) kind->comms = comm_sources(*kind->format);
  if (id >= kinds.size()) kinds.resize(id + 1u);
  kinds[id] = std::move(kind);
  return *kinds[id];
}

Status EventCursor::next() {
  const auto learn = [this](bool afterwards) {
    if (kind_ == nullptr || kind_->comms.empty()) return;
    learn_comms(*machines_[event_.stream->machine].comms, kind_->comms, event_.record, afterwards);
  };
  for (learn(true); events_->next(event_); learn(true)) {
    if (++seen_ % kAskEvery == 0 && stopped(stop_)) return interrupted_error();
    kind_ = nullptr;
    if (event_.loss != nullptr) {
      notices_.incomplete = true;
      continue;
    }
    kind_ = &kind_of(event_.stream->machine, event_.id);
    learn(false);
    if (!kind_->wanted) continue;
    const std::int64_t tid = decode::event_pid(event_.record);
    if (!std::all_of(tids_.begin(), tids_.end(),
                     [tid](const auto* one) { return is_one_of(one->values, tid); }))
      continue;
    ++row_;
    return {};
  }
  ended_ = true;
  add_notices(*events_, notices_);
  return {};
}

std::string_view EventCursor::render() {
  const std::size_t index = event_.stream->machine;
  auto& printer = machines_[index].printer;
  if (!printer) printer.emplace(merge::load_symbols(run_, run_.machines()[index].info.name));
  text_.clear();
  printer->render(*kind_->format, event_.record, decode::TextMode::kRaw, text_);
  while (text_.ends_with('\n')) text_.pop_back();
  return text_;
}

Cell EventCursor::cell(int column) {
  const decode::EventFormat* const format = kind_->format;
  switch (column) {
    case kMachine:
      return event_.stream->machine_name;
    case kCpu:
      return std::int64_t{event_.stream->cpu.value};
    case kTime:
      return clock_.to_ns(event_.time).value;
    case kTid:
      return std::int64_t{decode::event_pid(event_.record)};
    case kComm: {
      auto& comms = machines_[event_.stream->machine].comms;
      if (!comms) return {};
      const std::string_view comm = comms->comm(decode::event_pid(event_.record));
      return comm == kUnknownComm ? Cell() : Cell(comm);
    }
    case kSystem:
      return format != nullptr ? Cell(std::string_view(format->system)) : Cell();
    case kName:
      return format != nullptr ? Cell(std::string_view(format->name)) : Cell();
    case kRendered:
      return format != nullptr ? Cell(render()) : Cell();
    default: {
      const std::uint64_t doubt = event_.source->doubt();
      return doubt == 0 ? std::int64_t{0} : clock_.ticks_to_ns(doubt).value;
    }
  }
}

class EventTable : public Table {
 public:
  EventTable(const run::RunReader& run, const clock::HostClock& clock, StopFlag stop, Notices& notices)
      : run_(run), clock_(clock), stop_(stop), notices_(notices) {
    constexpr double kBytesPerEvent = 50;
    for (const run::Machine& machine : run.machines()) {
      for (const run::PagesFile& file : machine.files)
        events_ += static_cast<double>(file.size) / kBytesPerEvent;
    }
  }
  const TableInfo& info() const override { return event_info(); }
  double row_estimate() const override { return events_; }
  std::unique_ptr<Cursor> open() override {
    return std::make_unique<EventCursor>(run_, clock_, stop_, notices_);
  }

 private:
  const run::RunReader& run_;
  const clock::HostClock& clock_;
  StopFlag stop_;
  Notices& notices_;
  double events_ = 1e6;
};

}  // namespace

std::unique_ptr<Table> event_table(const run::RunReader& run, const clock::HostClock& clock, StopFlag stop,
                                   Notices& notices) {
  return std::make_unique<EventTable>(run, clock, stop, notices);
}

}  // namespace ivtrace::query
