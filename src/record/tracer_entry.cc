#include "record/tracer_entry.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "base/tsc.h"

namespace ivtrace::record {
namespace {

constexpr unsigned kMaxComplaints = 20;  // of one tracer, in the journal
constexpr std::size_t kMaxOutput = 4u << 20;

}  // namespace

std::string one_line(const Error& error) {
  std::string text;
  append_terminal_safe(text, error.message);
  return text;
}

TracerEntry::TracerEntry(TracerRequest request, run::TracerRecord record, const Earlier& earlier, RunLog& log)
    : request_(std::move(request)), record_(std::move(record)), earlier_(earlier), log_(log) {
  record_.kind = request_.kind;
  record_.source = request_.path;
  record_.state = "starting";
  record_.lines = earlier_.lines;
  record_.lost = earlier_.lost;
}

bool TracerEntry::busy() const {
  return stage_ == Stage::kPreparing || (stage_ == Stage::kStarted && record_.state == "starting");
}

void TracerEntry::started(const std::string& origin) {
  stage_ = Stage::kStarted;
  origin_ = record_.detail = origin;
  changed_ = true;
}

void TracerEntry::fail(const Error& error) {
  stage_ = Stage::kFailed;
  record_.state = "failed";
  record_.detail = one_line(error);
  record_.hint = error.hint;
  changed_ = true;
}

Status TracerEntry::take_state(const format::TracerState& state) {
  record_.lost = std::max(record_.lost, earlier_.lost + lost_here_ + state.lost_lines + state.lost_events);
  if (stage_ != Stage::kStarted || record_.state == state.state) return {};
  if (state.state == "failed") return Error(ErrorCode::kIo, state.message, state.hint);
  if (state.state != "armed" && state.state != "ended") return {};
  record_.state = state.state;
  record_.detail = origin_ + (origin_.empty() || state.message.empty() ? "" : "; ") + state.message;
  if (state.state == "ended") stage_ = Stage::kEnded;
  changed_ = true;
  return {};
}

void TracerEntry::gives(const std::string& event) {
  record_.events.push_back(event);
  changed_ = true;
}

void TracerEntry::take_output(const std::string& line) {
  if (output_.size() + line.size() < kMaxOutput) {
    output_ += line + "\n";
  } else {
    ++record_.lost;
    ++lost_here_;
  }
}

void TracerEntry::take_complaint(const std::string& text) {
  const std::string who = record_.kind + " " + record_.name;
  if (++complaints_ <= kMaxComplaints) return log_.note(record_.machine, who + ": " + text);
  if (complaints_ == kMaxComplaints + 1)
    log_.note(record_.machine, who + " complains further, which is left out from here on");
}

void TracerEntry::tell_unwritten_complaints() {
  if (complaints_ <= kMaxComplaints) return;
  log_.note(record_.machine, record_.kind + " " + record_.name + ": " +
                                 std::to_string(complaints_ - kMaxComplaints) +
                                 " lines of complaint were left out");
}

void TracerEntry::journal() {
  if (std::exchange(changed_, false)) log_.put(record_);
}

bool TracerEntry::finish(bool cut_off) {
  save_output();
  tell_unwritten_complaints();
  changed_ = true;
  const bool lost = tell_loss(cut_off && stage_ == Stage::kFailed);
  journal();
  return lost;
}

void TracerEntry::save_output() {
  if (output_.empty()) return;
  record_.output = record_.kind + "-" + std::to_string(record_.id) + ".txt";
  if (log_.space().take(output_.size()) && log_.writer().write_text(record_.machine, record_.output, output_))
    return;
  record_.output.clear();
  log_.note(record_.machine, "what " + record_.name + " printed at its end is not saved: there is no room");
}

bool TracerEntry::tell_loss(bool cut_off) {
  if (record_.lost == earlier_.lost && !cut_off) return false;
  run::LossRecord loss;
  loss.machine = record_.machine;
  loss.reason = "tracer";
  if (!cut_off) loss.events = record_.lost - earlier_.lost;
  loss.until = HostTsc(read_tsc());
  loss.detail = record_.kind + " " + record_.name +
                (cut_off ? " was cut off: what it still had to tell is lost" : " lost them");
  log_.put(loss);
  return true;
}

}  // namespace ivtrace::record
