#include "tracers/tracer.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "tracers/bpftrace.h"
#include "tracers/stap_run.h"

namespace ivtrace::tracers {
namespace {

constexpr std::size_t kMaxKept = 4u << 20;
constexpr const char* kCutMark = " [cut]";

bool names_error(std::string_view line) {
  return line.find("ERROR") != line.npos || line.find("error") != line.npos;
}

std::string ending(int status) {
  if (WIFSIGNALED(status)) return "it was ended by signal " + std::to_string(WTERMSIG(status));
  return "it ended by itself with exit code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

Result<std::unique_ptr<Tracer>> Tracer::start(const TracerSpec& spec) {
  if (spec.kind == kBpftraceKind) return start_bpftrace(spec);
  if (spec.kind == kModuleKind) return start_stap_module(spec);
  return Error(ErrorCode::kUnsupported, "there is no tracer of kind " + spec.kind);
}

format::TracerState Tracer::poll() {
  clock_.tick();
  read_lines();
  if (!ended_) {
    if (const std::optional<int> status = program_->status()) {
      read_lines();  // what it printed last
      at_end();
      ended_ = true;
      wait_status_ = *status;
    } else if (!armed_ && looks_armed()) {
      armed_ = true;
    }
  }
  format::TracerState state;
  state.tracer = id_;
  state.state = armed_ ? "armed" : "starting";
  state.lost_lines = program_->lost_lines() + lost_kept_;
  state.lost_events = lost_events_;
  if (!ended_) return state;
  const bool clean = WIFEXITED(wait_status_) && WEXITSTATUS(wait_status_) == 0;
  state.state = (clean && armed_) || stopping_ ? "ended" : "failed";
  if (state.state == "failed" || !stopping_)
    state.message = complaint_.empty() ? ending(wait_status_) : complaint_;
  return state;
}

void Tracer::read_lines() {
  while (std::optional<PrintedLine> line = program_->take()) understand(*std::move(line));
}

bool Tracer::take(std::size_t max_bytes, std::vector<format::TracerLine>& lines) {
  std::size_t bytes = 0;
  std::size_t count = 0;
  while (count < kept_.size() && bytes < max_bytes) bytes += kept_[count++].text.size() + kLineOverhead;
  for (std::size_t i = 0; i < count; ++i) {
    kept_bytes_ -= kept_[i].text.size() + kLineOverhead;
    lines.push_back(std::move(kept_[i]));
  }
  kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(count));
  return kept_.empty();
}

void Tracer::stop() {
  stopping_ = true;
  program_->signal(SIGINT);
}

void Tracer::keep(PrintedLine line) {
  if (line.text.size() > kMaxLine) {
    line.text.resize(kMaxLine);
    line.text += kCutMark;
  }
  // Each control byte would be six on the wire, and a NUL would end the line for every reader.
  std::replace_if(
      line.text.begin(), line.text.end(),
      [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; }, ' ');
  if (kept_bytes_ + line.text.size() + kLineOverhead > kMaxKept) {
    ++lost_kept_;
    return;
  }
  format::TracerLine kept;
  kept.tracer = id_;
  kept.tsc = line.tsc;
  kept.arrival = true;
  kept.is_error = line.is_error;
  if (const auto nanoseconds = leading_nanoseconds(line.text)) {
    if (const auto tsc = clock_.tsc_at(*nanoseconds)) {
      kept.tsc = *tsc;
      kept.arrival = false;
    }
  }
  kept_bytes_ += line.text.size() + kLineOverhead;
  kept.text = std::move(line.text);
  kept_.push_back(std::move(kept));
}

void Tracer::complain(PrintedLine line) {
  const std::string said(trim(line.text).substr(0, kMaxLine));
  line.text = said;
  if (!said.empty()) keep(std::move(line));
  // Programs quote the script and point into it below the line that says what is wrong.
  if (said.empty() || (!names_error(said) && names_error(complaint_))) return;
  complaint_ = said;
}

}  // namespace ivtrace::tracers
