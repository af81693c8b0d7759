#include "record/tracer_formats.h"

#include <utility>

#include "base/fd.h"
#include "base/text.h"
#include "format/run_layout.h"
#include "format/text_event.h"
#include "record/line_file.h"

namespace ivtrace::record {
namespace {

constexpr std::size_t kMaxDeclared = 256;
constexpr std::size_t kMaxFormats = 64u << 20;

}  // namespace

std::uint16_t TracerFormats::next_id() const {
  return static_cast<std::uint16_t>(format::kDeclaredEventIds + events_.size());
}

std::string TracerFormats::declare_lines(std::uint32_t tracer, const std::string& kind,
                                         const std::string& name) {
  std::string free = name;
  while (events_.contains(kind + ":" + free)) free += "_text";
  std::string event = kind + ":" + free;
  const Event added{next_id(), tracer, true};
  events_.emplace(event, added);
  append(event, line_format(free, added.id));
  return event;
}

Result<std::string> TracerFormats::declare_typed(std::uint32_t tracer, const std::string& declaration) {
  const std::size_t blank = declaration.find(' ');
  const std::string name = declaration.substr(0, blank);
  const std::string fields = blank == std::string::npos ? "" : declaration.substr(blank + 1);
  std::string event = "stap:" + name;
  const auto known = events_.find(event);
  const bool repeated = known != events_.end() && known->second.tracer == tracer && !known->second.is_lines;
  if (repeated || events_.size() >= kMaxDeclared) return std::string();
  if (!format::valid_text_event_name(name) || known != events_.end()) {
    return Error(ErrorCode::kInvalid, "it declares an event \"" + name.substr(0, format::kMaxTextEventName) +
                                          "\", which is no name or is taken: it stays text");
  }
  const auto text = format::text_event_format(next_id(), name, fields);
  if (!text) {
    std::string reason;
    append_terminal_safe(reason, text.error().message);
    return Error(ErrorCode::kInvalid, event + " is not declared: " + reason);
  }
  events_.emplace(event, Event{next_id(), tracer, false});
  append(event, *text);
  return event;
}

/// Unless it is there: an agent that was started again has the same.
void TracerFormats::append(const std::string& event, const std::string& format_text) {
  const std::size_t colon = event.find(':');
  const std::string name = event.substr(0, colon) + "/" + event.substr(colon + 1) + "/format";
  const std::string path = log_.writer().path() + "/" + machine_ + "/" + format::kFormatsName;
  auto formats = read_file(path, kMaxFormats);
  if (!formats)
    return log_.note(machine_, "the format of " + event + " is not saved: " + formats.error().message);
  if (("\n" + *formats).find("\nfile " + name + " ") != std::string::npos) return;
  const std::string framed =
      "file " + name + " " + std::to_string(format_text.size()) + "\n" + format_text + "\n";
  if (!log_.space().take(framed.size())) return;
  if (Status saved = log_.writer().write_text(machine_, format::kFormatsName, *formats + framed); !saved)
    log_.note(machine_, "the format of " + event + " is not saved: " + saved.error().message);
}

}  // namespace ivtrace::record
