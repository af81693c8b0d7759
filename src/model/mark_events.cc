#include "model/mark_events.h"

#include <array>
#include <optional>
#include <string_view>

#include "base/text.h"
#include "format/mark_probes.h"
#include "format/text_event.h"

namespace ivtrace::model {
namespace {

constexpr std::string_view kProbeSystem = "usdt";

struct Name {
  MarkKind kind;
  std::string_view name;
};
constexpr std::array kNames{Name{MarkKind::kBegin, "begin"}, Name{MarkKind::kEnd, "end"},
                            Name{MarkKind::kInstant, "instant"}, Name{MarkKind::kCounter, "counter"}};

MarkEvent event_of(MarkKind kind, bool probed, const decode::EventFormat& format) {
  MarkEvent event;
  event.kind = kind;
  event.probed = probed;
  event.tgid = decode::IntegerReader(format.find("tgid"));
  event.tid = decode::IntegerReader(format.find("tid"));
  event.value = decode::IntegerReader(format.find("value"));
  event.name = format.find("name");
  return event;
}

/// "usdt:PATH:ivtrace:NAME fields…"
bool is_of_our_provider(std::string_view probe) {
  probe = trim(probe);
  const auto parts = split(probe.substr(0, probe.find(' ')), ':');
  return parts.size() == 4 && parts[0] == kProbeSystem && parts[2] == format::kMarkProvider;
}

/// What "usdt:begin" means, or "usdt:begin_2", as a second program's is called.
std::optional<MarkKind> kind_of(std::string_view event) {
  for (const Name& known : kNames) {
    if (!event.starts_with(known.name)) continue;
    const std::string_view rest = event.substr(known.name.size());
    if (rest.empty() || (rest[0] == '_' && parse_u64(rest.substr(1)))) return known.kind;
  }
  return std::nullopt;
}

}  // namespace

std::unordered_map<std::uint16_t, MarkEvent> mark_events(const run::Machine& machine,
                                                         const decode::FormatTable& formats) {
  std::unordered_map<std::uint16_t, MarkEvent> events;
  for (const Name& known : kNames) {
    if (const auto* const format = formats.find(format::kMarkSystem, known.name); format != nullptr)
      events.emplace(format->id, event_of(known.kind, false, *format));
  }
  for (const run::TracerRecord& tracer : machine.tracers) {
    if (tracer.kind != "probe" || !is_of_our_provider(tracer.source)) continue;
    for (const std::string_view event : tracer.events) {
      const std::string_view name = event.substr(event.find(':') + 1);
      const auto* const format = formats.find(kProbeSystem, name);
      const auto kind = kind_of(name);
      if (format != nullptr && kind) events.emplace(format->id, event_of(*kind, true, *format));
    }
  }
  return events;
}

}  // namespace ivtrace::model
