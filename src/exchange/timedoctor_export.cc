#include "exchange/timedoctor_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include "base/line_format.h"
#include "exchange/tables.h"
#include "exchange/timedoctor_marks.h"
#include "exchange/timedoctor_names.h"
#include "exchange/timedoctor_rows.h"
#include "exchange/timedoctor_writer.h"

namespace ivtrace::exchange {
namespace {

using Kind = TimedoctorWriter::Kind;
using Line = TimedoctorWriter::Line;
using Block = TimedoctorBlockName;
using Rows = TimedoctorRows;
using Topic = TimedoctorTopic;

/// The viewer looks at every line of tasks for each sample, so a CPU has no more than this of each kind.
constexpr std::size_t kMostLines = 100;
constexpr std::uint64_t kAskEvery = 4096;  // samples between two looks at the disk and the flag

Kind kind_of(Topic topic) {
  switch (topic) {
    case Topic::kTask:
    case Topic::kVcpuState:
      return Kind::kTask;
    case Topic::kInterrupt:
    case Topic::kSoftirq:
      return Kind::kInterrupt;
    case Topic::kMarkInstant:
      return Kind::kNote;
    case Topic::kDisk:
    case Topic::kMarkSlice:
    case Topic::kMarkCounter:
      break;
  }
  return Kind::kQueue;
}

/// What is counted, and gathered, together.
Topic group_of(Topic topic) { return topic == Topic::kSoftirq ? Topic::kInterrupt : topic; }

/// Writes one file. Lines and samples come by the same blocks, so one of them is held at a time.
class Export {
 public:
  Export(const Job& job, Tables& tables, FileWriter& out)
      : job_(job), tables_(tables), out_(out), writer_(out), names_(job.run) {
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
    IVT_ASSIGN_OR_RETURN(gauges_, TimedoctorGauges::load(tables_));
    IVT_RETURN_IF_ERROR(lines.next());
    IVT_RETURN_IF_ERROR(samples.next());
    if (!lines.there()) {
      say(tables_.is_all()
              ? "there are no switches, interrupts, vCPU states, disk requests and marks to show: "
                "record with --profile all"
              : "there is nothing in what was asked for");
    }
    while (lines.there()) IVT_RETURN_IF_ERROR(write_block(lines, samples));
    IVT_RETURN_IF_ERROR(write_notes(notes));
    writer_.finish();
    if (gathered_ > 0) {
      say(fmt::format("{} lines of those that lasted shortest on their CPU are gathered in one, other",
                      gathered_));
    }
    if (left_out_ > 0) say(fmt::format("{} counters of programs are left out", left_out_));
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
    const std::string name = block.text();
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
    gauge_of_.clear();
    std::map<Topic, std::size_t> count;
    while (block.is_of(lines)) {
      const auto topic = static_cast<Topic>(lines.number(TimedoctorLines::kTopic));
      if (++count[group_of(topic)] > kMostLines) {
        gather(topic);
      } else {
        lines_.emplace(Key(topic, lines.number(TimedoctorLines::kNumber), lines.text(TimedoctorLines::kName)),
                       add_line(block, topic, lines));
      }
      IVT_RETURN_IF_ERROR(lines.next());
    }
    return {};
  }

  /// Counters have nothing that they could be shown as together.
  void gather(Topic topic) {
    if (topic == Topic::kMarkCounter) {
      ++left_out_;
      return;
    }
    ++gathered_;
    const Topic group = group_of(topic);
    if (!others_.contains(group)) others_[group] = writer_.add_line(kind_of(topic), "other");
  }

  Line add_line(const Block& block, Topic topic, const Rows& lines) {
    if (topic != Topic::kMarkCounter)
      return writer_.add_line(kind_of(topic), names_.line(block, topic, lines));
    const auto tgid = static_cast<std::int32_t>(lines.number(TimedoctorLines::kNumber));
    const std::string counter(lines.text(TimedoctorLines::kName));
    const TimedoctorGauge& gauge = gauges_.of(block.machine, tgid, counter);
    const Line line = writer_.add_gauge(gauge.name(tgid, counter));
    gauge_of_[line] = &gauge;
    return line;
  }

  void write_sample(const Rows& samples) {
    const auto topic = static_cast<Topic>(samples.number(TimedoctorSamples::kTopic));
    const auto known = lines_.find(
        Key(topic, samples.number(TimedoctorSamples::kNumber), samples.text(TimedoctorSamples::kName)));
    const std::int64_t time = samples.number(TimedoctorSamples::kTime);
    const auto edge = static_cast<TimedoctorEdge>(samples.number(TimedoctorSamples::kEdge));
    if (topic == Topic::kMarkCounter) {
      if (known != lines_.end() && edge != TimedoctorEdge::kStop) set_level(known->second, time, samples);
      return;
    }
    const Line line = known != lines_.end() ? known->second : others_.at(group_of(topic));
    if (topic == Topic::kMarkInstant) return writer_.note(line, time, samples.text(TimedoctorSamples::kText));
    if (edge != TimedoctorEdge::kStop) writer_.start(line, time);
    if (edge != TimedoctorEdge::kStart) writer_.stop(line, time);
  }

  void set_level(Line line, std::int64_t time, const Rows& samples) {
    const std::int64_t value = samples.number(TimedoctorSamples::kValue);
    writer_.set_level(line, time, gauge_of_.at(line)->level(value), std::to_string(value));
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
  TimedoctorNames names_;
  TimedoctorGauges gauges_;
  std::map<Key, Line> lines_;     ///< of the block
  std::map<Topic, Line> others_;  ///< of the block, by group, for what has no line of its own
  std::map<Line, const TimedoctorGauge*> gauge_of_;  ///< of the block
  std::uint64_t gathered_ = 0;
  std::uint64_t left_out_ = 0;  ///< counters
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
