#include "exchange/timedoctor_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <unordered_map>

#include "base/line_format.h"
#include "exchange/tables.h"
#include "exchange/timedoctor_rows.h"
#include "exchange/timedoctor_writer.h"
#include "format/run_layout.h"

namespace ivtrace::exchange {
namespace {

using Kind = TimedoctorWriter::Kind;
using Line = TimedoctorWriter::Line;
using Part = TimedoctorPart;
using Topic = TimedoctorTopic;

/// The viewer looks at every line of tasks for each sample, so a CPU has no more than this of each kind.
constexpr std::size_t kMostLines = 100;
constexpr std::uint64_t kAskEvery = 4096;  // samples between two looks at the disk and the flag

/// A statement's rows with one look ahead.
class Rows {
 public:
  explicit Rows(query::Statement statement) : statement_(std::move(statement)) {}
  Status next() {
    IVT_ASSIGN_OR_RETURN(there_, statement_.step());
    return {};
  }
  bool there() const { return there_; }
  std::int64_t number(std::size_t column) const {
    const query::Cell cell = statement_.cell(column);
    const auto* const number = std::get_if<std::int64_t>(&cell);
    return number != nullptr ? *number : 0;
  }
  /// "" for NULL; holds until next().
  std::string_view text(std::size_t column) const {
    const query::Cell cell = statement_.cell(column);
    const auto* const text = std::get_if<std::string_view>(&cell);
    return text != nullptr ? *text : std::string_view();
  }

 private:
  query::Statement statement_;
  bool there_ = false;
};

/// What the columns of TimedoctorBlock say.
struct Block {
  std::string machine;
  Part part = Part::kCpu;
  std::int64_t cpu = 0;
  std::int64_t thread = 0;

  explicit Block(const Rows& rows)
      : machine(rows.text(TimedoctorBlock::kMachine)),
        part(static_cast<Part>(rows.number(TimedoctorBlock::kPart))),
        cpu(rows.number(TimedoctorBlock::kCpu)),
        thread(rows.number(TimedoctorBlock::kThread)) {}
  bool is_of(const Rows& rows) const {
    return rows.there() && rows.number(TimedoctorBlock::kCpu) == cpu &&
           rows.number(TimedoctorBlock::kPart) == static_cast<std::int64_t>(part) &&
           rows.number(TimedoctorBlock::kThread) == thread && rows.text(TimedoctorBlock::kMachine) == machine;
  }
  std::string name() const {
    if (part == Part::kDisks) return machine + ":disks";
    if (part == Part::kCpu) return fmt::format("{}:cpu{}", machine, cpu);
    return thread == 0 ? fmt::format("{}:vcpu{}", machine, cpu) : fmt::format("{}:vcpus-{}", machine, thread);
  }
};

Kind kind_of(Topic topic) {
  switch (topic) {
    case Topic::kTask:
    case Topic::kVcpuState:
      return Kind::kTask;
    case Topic::kInterrupt:
    case Topic::kSoftirq:
      return Kind::kInterrupt;
    case Topic::kDisk:
      break;
  }
  return Kind::kQueue;
}

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

/// Writes one file. Lines and samples come by the same blocks, so one of them is held at a time.
class Export {
 public:
  Export(const Job& job, Tables& tables, FileWriter& out)
      : job_(job), tables_(tables), out_(out), writer_(out), vcpus_(name_vcpus(job.run)) {
    const merge::TimeRange span = span_of(job);
    begin_ = bounded(job.clock.to_ns(span.from).value);
    end_ = std::max(begin_ + 1, bounded(job.clock.to_ns(span.until).value));
    parameters_ = tables.parameters();
    parameters_["begin"] = begin_;
    // The clock's last reading may be older than the last events; only who asks for an end gets one.
    parameters_["end"] = bounded(std::get<std::int64_t>(parameters_["until"]));
  }

  Status write() {
    // Both before a row is read: one walk makes the rows of all.
    IVT_ASSIGN_OR_RETURN(Rows lines, rows_of(timedoctor_lines_sql(tables_)));
    IVT_ASSIGN_OR_RETURN(Rows samples, rows_of(timedoctor_samples_sql(tables_)));
    IVT_ASSIGN_OR_RETURN(Rows notes, rows_of(timedoctor_notes_sql(tables_)));
    IVT_RETURN_IF_ERROR(lines.next());
    IVT_RETURN_IF_ERROR(samples.next());
    if (!lines.there()) {
      say(tables_.is_all()
              ? "there are no switches, interrupts, vCPU states and disk requests to show: record "
                "with --profile all"
              : "there is nothing in what was asked for");
    }
    while (lines.there()) IVT_RETURN_IF_ERROR(write_block(lines, samples));
    IVT_RETURN_IF_ERROR(write_notes(notes));
    writer_.finish();
    if (gathered_ > 0) {
      say(fmt::format("{} lines of those that lasted shortest on their CPU are gathered in one, other",
                      gathered_));
    }
    job_.summary.events = writer_.samples();
    return {};
  }

 private:
  static std::int64_t bounded(std::int64_t ns) {
    return std::clamp(ns, std::int64_t{0}, TimedoctorWriter::kLastTime);
  }
  void say(std::string line) { job_.summary.notices.push_back(std::move(line)); }
  Result<Rows> rows_of(const std::string& sql) {
    IVT_ASSIGN_OR_RETURN(query::Statement statement, tables_.database().prepare(sql, parameters_));
    return Rows(std::move(statement));
  }

  Status write_block(Rows& lines, Rows& samples) {
    const Block block(lines);
    const std::string name = block.name();
    writer_.begin_cpu(name);
    IVT_RETURN_IF_ERROR(name_lines(block, lines));
    for (std::uint64_t i = 0; block.is_of(samples); ++i) {
      write_sample(samples);
      IVT_RETURN_IF_ERROR(samples.next());
      if (i % kAskEvery == 0) IVT_RETURN_IF_ERROR(look_around(name));
    }
    return {};
  }

  Status look_around(const std::string& name) {
    IVT_RETURN_IF_ERROR(out_.status());
    const auto done = static_cast<double>(writer_.now() - begin_) / static_cast<double>(end_ - begin_);
    job_.progress.at(name.c_str(), std::min(done, 1.0));
    return job_.progress.check();
  }

  Status name_lines(const Block& block, Rows& lines) {
    lines_.clear();
    others_.clear();
    std::map<Kind, std::size_t> count;
    while (block.is_of(lines)) {
      const auto topic = static_cast<Topic>(lines.number(TimedoctorLines::kTopic));
      const Kind kind = kind_of(topic);
      if (++count[kind] > kMostLines) {
        ++gathered_;
        if (!others_.contains(kind)) others_[kind] = writer_.add_line(kind, "other");
      } else {
        lines_.emplace(Key(topic, lines.number(TimedoctorLines::kNumber), lines.text(TimedoctorLines::kName)),
                       writer_.add_line(kind, line_name(block, topic, lines)));
      }
      IVT_RETURN_IF_ERROR(lines.next());
    }
    return {};
  }

  std::string line_name(const Block& block, Topic topic, const Rows& lines) const {
    const std::int64_t number = lines.number(TimedoctorLines::kNumber);
    const std::string_view name = lines.text(TimedoctorLines::kName);
    switch (topic) {
      case Topic::kTask:
        return task_name(block, number, lines.text(TimedoctorLines::kComm),
                         lines.text(TimedoctorLines::kOwner));
      case Topic::kInterrupt:
        return fmt::format("irq{}:{}", number, name);
      case Topic::kSoftirq:
        return fmt::format("softirq:{}", name.empty() ? std::to_string(number) : std::string(name));
      case Topic::kVcpuState:
        break;
      case Topic::kDisk:
        return fmt::format("disk:{}", name);
    }
    return std::string(name);
  }

  std::string task_name(const Block& block, std::int64_t tid, std::string_view comm,
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

  void write_sample(const Rows& samples) {
    const auto topic = static_cast<Topic>(samples.number(TimedoctorSamples::kTopic));
    const auto known = lines_.find(
        Key(topic, samples.number(TimedoctorSamples::kNumber), samples.text(TimedoctorSamples::kName)));
    const Line line = known != lines_.end() ? known->second : others_.at(kind_of(topic));
    const std::int64_t time = samples.number(TimedoctorSamples::kTime);
    const auto edge = static_cast<TimedoctorEdge>(samples.number(TimedoctorSamples::kEdge));
    if (edge != TimedoctorEdge::kStop) writer_.start(line, time);
    if (edge != TimedoctorEdge::kStart) writer_.stop(line, time);
  }

  /// The range's two ends too: the viewer's time begins with the first sample, and so with the range.
  Status write_notes(Rows& notes) {
    const std::int64_t end = std::max(end_, writer_.latest());
    writer_.begin_cpu("notes");
    const Line range = writer_.add_line(Kind::kNote, "range");
    const std::array<Line, 2> lines = {writer_.add_line(Kind::kNote, "findings"),
                                       writer_.add_line(Kind::kNote, "losses")};
    writer_.note(range, begin_, range_text("begins", begin_));
    IVT_RETURN_IF_ERROR(notes.next());
    while (notes.there()) {
      const bool is_loss = notes.number(TimedoctorNotes::kIsLoss) != 0;
      if (is_loss || is_wanted(notes.text(TimedoctorNotes::kVictim))) {
        writer_.note(lines[is_loss ? 1 : 0], std::min(notes.number(TimedoctorNotes::kTime), end),
                     notes.text(TimedoctorNotes::kText));
      }
      IVT_RETURN_IF_ERROR(look_around("notes"));
      IVT_RETURN_IF_ERROR(notes.next());
    }
    writer_.note(range, end, range_text("ends", end));
    return {};
  }
  static std::string range_text(const char* what, std::int64_t ns) {
    std::string text = std::string(what) + " at ";
    append_seconds(text, ns, 0);
    return text + " s of the run";
  }
  /// condition() knows the column `machine`, and a finding has a victim.
  bool is_wanted(std::string_view victim) const {
    const auto& machines = job_.filter.machines;
    return machines.empty() || std::ranges::find(machines, victim) != machines.end();
  }

  using Key = std::tuple<Topic, std::int64_t, std::string>;

  const Job& job_;
  Tables& tables_;
  FileWriter& out_;
  TimedoctorWriter writer_;
  query::Parameters parameters_;
  std::int64_t begin_ = 0;
  std::int64_t end_ = 0;
  std::unordered_map<std::int64_t, std::string> vcpus_;
  std::map<Key, Line> lines_;    ///< of the block
  std::map<Kind, Line> others_;  ///< of the block, for what has no line of its own
  std::uint64_t gathered_ = 0;
};

}  // namespace

Status write_timedoctor(const Job& job) {
  IVT_ASSIGN_OR_RETURN(const std::unique_ptr<Tables> tables, Tables::open(job));
  IVT_ASSIGN_OR_RETURN(FileWriter out, FileWriter::create(job.place));
  IVT_RETURN_IF_ERROR(Export(job, *tables, out).write());
  IVT_RETURN_IF_ERROR(out.close());
  return tables->tell(job.summary);
}

}  // namespace ivtrace::exchange
