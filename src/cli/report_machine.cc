#include "cli/report_machine.h"

#include <algorithm>

#include "base/text.h"

namespace ivtrace::cli {
namespace {

/// A field that can be a thread's number or name.
const decode::Field* pid_field(const decode::EventFormat& format, std::string_view name) {
  const decode::Field* const field = format.find(name);
  return field != nullptr && field->kind == decode::FieldKind::kInteger && field->size == 4 ? field : nullptr;
}
const decode::Field* comm_field(const decode::EventFormat& format, std::string_view name) {
  const decode::Field* const field = format.find(name);
  return field != nullptr && field->is_text ? field : nullptr;
}

/// include/trace/events/sched.h, task.h and block.h. A rename names the thread that it happens on where it
/// has no pid of its own.
std::vector<CommSource> comm_sources(const decode::EventFormat& format) {
  std::vector<CommSource> sources;
  const auto add = [&](const char* pid, const char* comm, bool afterwards) {
    const CommSource source{pid_field(format, pid), comm_field(format, comm), afterwards};
    if (source.pid != nullptr && source.comm != nullptr) sources.push_back(source);
  };
  if (format.system == "sched") {
    add("prev_pid", "prev_comm", false);
    add("next_pid", "next_comm", false);
    add("pid", "comm", false);
  } else if (format.system == "block") {
    add("common_pid", "comm", false);  // current->comm, where the event has one
  } else if (format.name == "task_newtask") {
    add("pid", "comm", false);
  } else if (format.name == "task_rename") {
    add(format.find("pid") != nullptr ? "pid" : "common_pid", "newcomm", true);
  }
  return sources;
}

bool wanted_by(const std::vector<std::string>& globs, const decode::EventFormat& format) {
  return globs.empty() || std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
           return glob_match(glob, format.name) || glob_match(glob, format.full_name());
         });
}

}  // namespace

ReportMachine::ReportMachine(std::string name, const decode::FormatTable* formats, decode::Symbols symbols,
                             std::vector<std::string> event_globs)
    : name_(std::move(name)),
      formats_(formats),
      event_globs_(std::move(event_globs)),
      printer_(std::move(symbols)) {}

const EventKind& ReportMachine::make_kind(std::uint16_t id) {
  auto kind = std::make_unique<EventKind>();
  kind->format = formats_ != nullptr ? formats_->find(id) : nullptr;
  if (kind->format == nullptr) {
    kind->wanted = event_globs_.empty();
    kind->text_name = "event " + std::to_string(id) + " of unknown format: ";
    kind->json_name = "\"event\":null,\"system\":null,\"id\":" + std::to_string(id) + ",\"fields\":";
  } else {
    kind->wanted = wanted_by(event_globs_, *kind->format);
    append_terminal_safe(kind->text_name, kind->format->name);
    kind->text_name += ": ";
    kind->json_name = "\"event\":";
    append_json_string(kind->json_name, kind->format->name);
    kind->json_name += ",\"system\":";
    append_json_string(kind->json_name, kind->format->system);
    kind->json_name += ",\"fields\":";
    kind->json.emplace(*kind->format);
    kind->comms = comm_sources(*kind->format);
  }
  if (id >= kinds_.size()) kinds_.resize(id + 1u);
  kinds_[id] = std::move(kind);
  return *kinds_[id];
}

void ReportMachine::learn(const EventKind& kind, decode::RecordBytes record, bool afterwards) {
  for (const CommSource& source : kind.comms) {
    if (source.afterwards != afterwards) continue;
    const decode::RecordBytes pid = decode::field_bytes(record, *source.pid);
    const std::optional<std::string_view> comm = decode::read_string(record, *source.comm);
    if (pid.size() == 4 && comm)
      comms_.set(static_cast<std::int32_t>(decode::load_signed(pid.data(), 4)), *comm);
  }
}

}  // namespace ivtrace::cli
