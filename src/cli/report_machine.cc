#include "cli/report_machine.h"

#include <algorithm>

#include "base/text.h"

namespace ivtrace::cli {
namespace {

bool wanted_by(const std::vector<std::string>& globs, const decode::EventFormat& format) {
  return globs.empty() || std::any_of(globs.begin(), globs.end(),
                                      [&](const std::string& glob) { return means_event(glob, format); });
}

}  // namespace

bool means_event(const std::string& glob, const decode::EventFormat& format) {
  return glob_match(glob, format.name) || glob_match(glob, format.full_name());
}

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
    kind->comms = decode::comm_sources(*kind->format);
  }
  if (id >= kinds_.size()) kinds_.resize(id + 1u);
  kinds_[id] = std::move(kind);
  return *kinds_[id];
}

}  // namespace ivtrace::cli
