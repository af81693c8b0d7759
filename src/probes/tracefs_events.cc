#include "probes/tracefs_events.h"

#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "tracefs/lockdown.h"

namespace ivtrace::probes {
namespace {

constexpr std::size_t kMaxList = 4u << 20;
/// Calls of one function that may be under way at once and still be seen to return. The kernel's own choice,
/// two a CPU, is too small for functions that sleep.
constexpr const char* kReturnSlots = "512";

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> found;
  for (const std::string_view word : split(line, ' ')) {
    if (!word.empty()) found.push_back(word);
  }
  return found;
}

}  // namespace

bool TracefsEvents::has(const char* file) const { return ::faccessat(dir_->fd(), file, F_OK, 0) == 0; }

const char* TracefsEvents::control_file(Kind kind) const {
  if (has("dynamic_events")) return "dynamic_events";
  return is_user(kind) ? "uprobe_events" : "kprobe_events";
}

Status TracefsEvents::supports(Kind kind) const {
  if (is_user(kind)) {
    if (has("uprobe_events")) return {};
    return Error(ErrorCode::kUnsupported, "this kernel has no uprobes", "it needs CONFIG_UPROBE_EVENTS");
  }
  if (!has("kprobe_events")) {
    return Error(ErrorCode::kUnsupported, "this kernel has no kprobes, so no probes on its functions",
                 "it needs CONFIG_KPROBE_EVENTS; probes on programs (uprobe, usdt) need less");
  }
  if (kind != Kind::kFprobe) return {};
  const auto readme = read_file_at(dir_->fd(), "README", 1u << 20);
  if (readme && readme->find("f[:[<group>/]") != std::string::npos) return {};
  return Error(ErrorCode::kUnsupported, "this kernel has no fprobe events",
               "it needs Linux 6.5 and CONFIG_FPROBE_EVENTS; kprobe: and kretprobe: do the same");
}

std::string TracefsEvents::command(const Definition& definition, const Site& site, const EventName& name) {
  std::string text = "p";
  if (definition.kind == Kind::kFprobe) {
    text = "f";
  } else if (definition.at_return) {
    text = definition.kind == Kind::kKretprobe ? std::string("r") + kReturnSlots : "r";
  }
  text += ":" + name.group + "/" + name.event + " " + site.place;
  for (const std::string& field : site.fields) text += " " + field;
  return text;
}

Status TracefsEvents::make(Kind kind, const std::string& command) const {
  Status made = write_control_file_at(dir_->fd(), control_file(kind), command, O_APPEND);
  if (made) return {};
  if (made.error().code == ErrorCode::kPermission) return tracefs::explain_denied(made.error());
  const std::string remark = last_remark(command);
  return Error(
      made.error().code,
      "the kernel refuses it: " + (remark.empty() ? made.error().message : remark + " (" + command + ")"));
}

Status TracefsEvents::remove(Kind kind, const EventName& name) const {
  Status removed =
      write_control_file_at(dir_->fd(), control_file(kind), "-:" + name.group + "/" + name.event, O_APPEND);
  if (removed || removed.error().code == ErrorCode::kNotFound) return {};
  return removed;
}

std::vector<EventName> TracefsEvents::list() const {
  std::vector<EventName> events;
  if (const auto all = read_file_at(dir_->fd(), "dynamic_events", kMaxList)) return parse_events(*all);
  for (const char* file : {"kprobe_events", "uprobe_events"}) {
    const auto some = read_file_at(dir_->fd(), file, kMaxList);
    if (!some) continue;
    for (EventName& name : parse_events(*some)) events.push_back(std::move(name));
  }
  return events;
}

std::map<EventName, std::uint64_t> TracefsEvents::missed() const {
  const auto events = read_file_at(dir_->fd(), "kprobe_events", kMaxList);
  const auto profile = read_file_at(dir_->fd(), "kprobe_profile", kMaxList);
  if (!events || !profile) return {};
  return parse_profile(*profile, parse_events(*events));
}

void TracefsEvents::disable_everywhere(const std::string& group) const {
  const std::string file = "events/" + group + "/enable";
  static_cast<void>(write_control_file_at(dir_->fd(), file, "0"));
  const auto instances = list_directory_at(dir_->fd(), "instances");
  if (!instances) return;
  for (const std::string& instance : *instances) {
    static_cast<void>(write_control_file_at(dir_->fd(), "instances/" + instance + "/" + file, "0"));
  }
}

std::string TracefsEvents::last_remark(const std::string& command) const {
  const auto log = read_file_at(dir_->fd(), "error_log", kMaxList);
  return log ? parse_error_log(*log, command) : "";
}

// "p:group/event place …", "r512:group/event …".
std::vector<EventName> parse_events(std::string_view text) {
  std::vector<EventName> events;
  for (const std::string_view line : split(text, '\n')) {
    const std::size_t colon = line.find(':');
    if (colon == line.npos) continue;
    std::string_view name = line.substr(colon + 1);
    name = name.substr(0, name.find(' '));
    const std::size_t slash = name.find('/');
    if (slash == name.npos) continue;
    events.push_back({std::string(name.substr(0, slash)), std::string(name.substr(slash + 1))});
  }
  return events;
}

// "  event   hits   missed"
std::map<EventName, std::uint64_t> parse_profile(std::string_view profile,
                                                 const std::vector<EventName>& events) {
  std::map<EventName, std::uint64_t> missed;
  std::size_t at = 0;
  for (const std::string_view line : split(profile, '\n')) {
    const auto columns = words(line);
    if (columns.empty()) continue;
    if (at == events.size()) break;
    const EventName& name = events[at++];
    const auto count = columns.size() == 3 ? parse_u64(columns[2]) : Error(ErrorCode::kCorrupt, "");
    if (count && columns[0] == name.event) missed[name] += *count;
  }
  return missed;
}

// "[  12.5] trace_kprobe: error: Invalid register name\n  Command: p:a/b …\n   ^\n", the newest last.
std::string parse_error_log(std::string_view log, std::string_view command) {
  constexpr std::string_view kError = " error: ";
  constexpr std::string_view kCommand = "Command: ";
  std::string_view said;
  std::string remark;
  for (const std::string_view line : split(log, '\n')) {
    if (const std::size_t at = line.find(kError); at != line.npos && line.starts_with('[')) {
      said = trim(line.substr(at + kError.size()));
    } else if (trim(line).starts_with(kCommand)) {
      if (trim(trim(line).substr(kCommand.size())) == command) remark = said;
    }
  }
  return remark;
}

}  // namespace ivtrace::probes
