#include "exchange/timedoctor_writer.h"

#include <algorithm>

#include "base/check.h"
#include "base/line_format.h"

namespace ivtrace::exchange {
namespace {

constexpr std::size_t kLongestWord = 1000;
/// The number of a text's label, and the type of a text, in DNM and DSC.
constexpr std::string_view kTextLabel = "DNM 0 1 note\n";
constexpr std::string_view kText = "DSC 0 1 ";

}  // namespace

std::string timedoctor_word(std::string_view text) {
  std::string word;
  for (const char c : text.substr(0, kLongestWord)) {
    const auto byte = static_cast<unsigned char>(c);
    const bool continues = byte >= 0x80 && byte < 0xc0;  // a character of several bytes is one `_`
    if (!continues) word += byte > 0x20 && byte < 0x7f ? c : '_';
  }
  return word.empty() ? "_" : word;
}

TimedoctorWriter::TimedoctorWriter(FileWriter& out) : out_(out) { out_ << "TIME 1000000000\n"; }

void TimedoctorWriter::begin_cpu(std::string_view name) {
  end_cpu();
  lines_.clear();
  has_samples_ = false;
  has_label_ = false;
  now_ = 0;
  out_ << "CPU ";
  append_number(out_.text(), ++cpu_);
  out_ << " " << timedoctor_word(name) << "\nSPEED 1000000000\n";
}

TimedoctorWriter::Line TimedoctorWriter::add_line(Kind kind, std::string_view name) {
  IVT_CHECK(cpu_ != 0 && !has_samples_);
  lines_.push_back({kind});
  const auto line = static_cast<Line>(lines_.size());
  out_ << "NAM ";
  append_number(out_.text(), static_cast<unsigned>(kind));
  out_ << " ";
  append_number(out_.text(), line);
  out_ << " " << timedoctor_word(name) << "\n";
  if (kind == Kind::kNote) label_texts();
  return line;
}

TimedoctorWriter::Line TimedoctorWriter::add_gauge(std::string_view name) {
  const Line line = add_line(Kind::kQueue, name);
  label_texts();
  return line;
}

void TimedoctorWriter::label_texts() {
  if (!has_label_) out_ << kTextLabel;
  has_label_ = true;
}

void TimedoctorWriter::move_to(std::int64_t ns) {
  now_ = std::clamp(ns, now_, kLastTime);
  latest_ = std::max(latest_, now_);
}

void TimedoctorWriter::record(std::string_view tag, Line line, std::uint32_t amount) {
  const Kind kind = state_of(line).kind;
  has_samples_ = true;
  ++samples_;
  out_ << tag << " ";
  append_number(out_.text(), static_cast<unsigned>(kind));
  out_ << " ";
  append_number(out_.text(), line);
  out_ << " ";
  append_number(out_.text(), now_);
  if (kind == Kind::kQueue) {
    out_ << " ";
    append_number(out_.text(), amount);
  }
  out_ << "\n";
  out_.spill();
}

/// About the sample before it.
void TimedoctorWriter::tell(std::string_view text) { out_ << kText << timedoctor_word(text) << "\n"; }

void TimedoctorWriter::start(Line line, std::int64_t ns) {
  move_to(ns);
  State& state = state_of(line);
  switch (state.kind) {
    case Kind::kTask:
      if (running_ == line) return;
      stop_task();
      running_ = line;
      record("STA", line);
      break;
    case Kind::kInterrupt:
      if (state.level++ > 0) return;  // within itself: several that share a line
      interrupts_.push_back(line);
      record("STA", line);
      break;
    case Kind::kQueue:
      if (state.level++ < kMostInQueue) record("STA", line);
      break;
    case Kind::kNote:
      break;
  }
}

void TimedoctorWriter::stop(Line line, std::int64_t ns) {
  move_to(ns);
  State& state = state_of(line);
  switch (state.kind) {
    case Kind::kTask:
      if (running_ == line) stop_task();
      break;
    case Kind::kInterrupt:
      if (state.level > 0 && --state.level == 0) stop_interrupt(line);
      break;
    case Kind::kQueue:
      if (state.level > 0 && state.level-- <= kMostInQueue) record("STO", line);
      break;
    case Kind::kNote:
      break;
  }
}

void TimedoctorWriter::note(Line line, std::int64_t ns, std::string_view text) {
  IVT_CHECK(state_of(line).kind == Kind::kNote);
  move_to(ns);
  record("OCC", line);
  tell(text);
}

void TimedoctorWriter::set_level(Line gauge, std::int64_t ns, std::uint32_t level, std::string_view text) {
  State& state = state_of(gauge);
  IVT_CHECK(state.kind == Kind::kQueue && has_label_);
  move_to(ns);
  const std::uint32_t wanted = std::min(level, kMostInQueue);
  if (wanted == state.level) return;
  if (wanted > state.level) {
    record("STA", gauge, wanted - state.level);
  } else {
    record("STO", gauge, state.level - wanted);
  }
  state.level = wanted;
  tell(text);
}

void TimedoctorWriter::stop_task() {
  stop_interrupts();
  if (running_ == kNone) return;
  record("STO", running_);
  running_ = kNone;
}

/// And those that began in it.
void TimedoctorWriter::stop_interrupt(Line line) {
  for (Line inner = kNone; inner != line;) {
    inner = interrupts_.back();
    interrupts_.pop_back();
    state_of(inner).level = 0;
    record("STO", inner);
  }
}

void TimedoctorWriter::stop_interrupts() {
  if (!interrupts_.empty()) stop_interrupt(interrupts_.front());
}

void TimedoctorWriter::end_cpu() {
  if (cpu_ != 0) stop_task();
}

void TimedoctorWriter::finish() {
  end_cpu();
  out_ << "END\n";
}

}  // namespace ivtrace::exchange
