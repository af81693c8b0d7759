#include "decode/comm_source.h"

#include <optional>
#include <string_view>

namespace ivtrace::decode {
namespace {

/// A field that can be a thread's number or name.
const Field* pid_field(const EventFormat& format, std::string_view name) {
  const Field* const field = format.find(name);
  return field != nullptr && field->kind == FieldKind::kInteger && field->size == 4 ? field : nullptr;
}
const Field* comm_field(const EventFormat& format, std::string_view name) {
  const Field* const field = format.find(name);
  return field != nullptr && field->is_text ? field : nullptr;
}

}  // namespace

std::vector<CommSource> comm_sources(const EventFormat& format) {
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
    // A rename names the thread that it happens on where it has no pid of its own.
    add(format.find("pid") != nullptr ? "pid" : "common_pid", "newcomm", true);
  }
  return sources;
}

void learn_comms(CommTable& comms, const std::vector<CommSource>& sources, RecordBytes record,
                 bool afterwards) {
  for (const CommSource& source : sources) {
    if (source.afterwards != afterwards) continue;
    const RecordBytes pid = field_bytes(record, *source.pid);
    const std::optional<std::string_view> comm = read_string(record, *source.comm);
    if (pid.size() == 4 && comm) comms.set(static_cast<std::int32_t>(load_signed(pid.data(), 4)), *comm);
  }
}

}  // namespace ivtrace::decode
