#include "probes/probe_set.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "base/process.h"
#include "base/text.h"
#include "tracefs/probe_names.h"

namespace ivtrace::probes {
namespace {

constexpr auto kRemoveLimit = std::chrono::seconds(2);
constexpr auto kRemoveRetry = std::chrono::milliseconds(20);
constexpr std::size_t kMaxShown = 512;   // bytes of a definition, which may be of many places
constexpr std::size_t kMaxStates = 128;  // all of them go into one reply of the agent
constexpr unsigned kMaxSameName = 1000;

Status remove_patiently(const TracefsEvents& events, Kind kind, const EventName& name) {
  const auto give_up = std::chrono::steady_clock::now() + kRemoveLimit;
  for (;;) {
    Status removed = events.remove(kind, name);
    if (removed || removed.error().code != ErrorCode::kBusy || std::chrono::steady_clock::now() >= give_up)
      return removed;
    std::this_thread::sleep_for(kRemoveRetry);
  }
}

}  // namespace

void ProbeSet::add(std::span<const std::string> specs) {
  for (const std::string& text : specs) add_spec(text);
}

void ProbeSet::fail(const std::string& text, const Error& error) {
  format::ProbeState state;
  state.spec = text;
  state.error = error.to_string();
  states_.push_back(std::move(state));
}

void ProbeSet::add_spec(const std::string& text) {
  if (states_.size() + 1 == kMaxStates) fail(text, Error(ErrorCode::kExhausted, "there are too many probes"));
  if (states_.size() >= kMaxStates) return;
  const auto spec = parse_spec(text);
  if (!spec) return fail(text, spec.error());
  if (Status supported = events_.supports(spec->kind); !supported) return fail(text, supported.error());
  const auto definitions = resolver_.resolve(*spec);
  if (!definitions) return fail(text, definitions.error());
  for (const Definition& definition : *definitions) {
    if (states_.size() < kMaxStates) make(text, definition);
  }
}

/// A name that the kernel does not know is told apart from what else it refuses.
Error ProbeSet::why_not(const Definition& definition, const Error& refused) {
  if (is_user(definition.kind)) return refused;
  const Status known = resolver_.require_function(definition.function);
  return !known && known.error().code == ErrorCode::kNotFound ? known.error() : refused;
}

std::string ProbeSet::free_name(Kind kind, const std::string& wanted) const {
  std::string name = wanted;
  for (unsigned next = 2; next < kMaxSameName; ++next) {
    const bool taken = std::any_of(made_.begin(), made_.end(),
                                   [&](const Made& made) { return made.kind == kind && made.event == name; });
    if (!taken) break;
    name = wanted + "_" + std::to_string(next);
  }
  return name;
}

// A place whose fields are of other types than those of the event's first one needs an event of its own.
void ProbeSet::make(const std::string& text, const Definition& definition) {
  const std::string kind = to_string(definition.kind);
  const std::string group = tracefs::probe_group_name({owner_, kind});
  bool begun = false;
  for (const Site& site : definition.sites) {
    if (begun) {
      const EventName same{group, made_.back().event};
      const std::string command = TracefsEvents::command(definition, site, same);
      if (events_.make(definition.kind, command)) {
        std::string& shown = states_.back().definition;
        if (shown.size() + command.size() < kMaxShown) shown += "; " + command;
        continue;
      }
      if (states_.size() >= kMaxStates) return;
    }
    const EventName name{group, free_name(definition.kind, definition.event)};
    const std::string command = TracefsEvents::command(definition, site, name);
    if (Status made = events_.make(definition.kind, command); !made)
      return fail(text, why_not(definition, made.error()));
    format::ProbeState state;
    state.spec = text;
    state.event = kind + ":" + name.event;
    state.definition = command.substr(0, kMaxShown);
    made_.push_back({definition.kind, name.event, states_.size()});
    states_.push_back(std::move(state));
    begun = true;
  }
}

std::vector<std::string> ProbeSet::kernel_events() const {
  std::vector<std::string> events;
  for (const Made& made : made_) {
    events.push_back(tracefs::probe_group_name({owner_, to_string(made.kind)}) + ":" + made.event);
  }
  return events;
}

std::vector<std::string> ProbeSet::note_refused(const std::vector<std::string>& refused) {
  const std::vector<std::string> events = kernel_events();
  std::vector<std::string> others;
  for (const std::string& line : refused) {
    const auto ours = std::find_if(events.begin(), events.end(),
                                   [&](const std::string& event) { return line.starts_with(event + ": "); });
    if (ours == events.end()) {
      others.push_back(line);
      continue;
    }
    format::ProbeState& state = states_[made_[static_cast<std::size_t>(ours - events.begin())].state];
    state.error = "the kernel does not enable it: " + line.substr(ours->size() + 2);
    state.event.clear();
  }
  return others;
}

void ProbeSet::count_missed() {
  missed_.resize(states_.size());
  if (made_.empty()) return;
  const auto missed = events_.missed();
  for (const Made& made : made_) {
    const auto known = missed.find({tracefs::probe_group_name({owner_, to_string(made.kind)}), made.event});
    if (known != missed.end()) missed_[made.state] = known->second;
  }
}

// What could not be removed is tried again by the next call.
Status ProbeSet::remove() {
  Status first;
  std::vector<Made> left;
  for (Made& made : made_) {
    const EventName name{tracefs::probe_group_name({owner_, to_string(made.kind)}), made.event};
    const Status removed = remove_patiently(events_, made.kind, name);
    if (removed) continue;
    if (first) {
      first =
          Error(removed.error().code,
                "cannot remove the probe " + name.group + "/" + name.event + ": " + removed.error().message,
                "ivtrace cleanup");
    }
    left.push_back(std::move(made));
  }
  made_ = std::move(left);
  return first;
}

Leftovers remove_leftovers(const tracefs::TraceDir& dir) {
  const TracefsEvents events(dir);
  Leftovers found;
  std::set<EventName> seen;  // an event is listed once for each of its places
  for (const EventName& name : events.list()) {
    const auto group = tracefs::parse_probe_group(name.group);
    if (!group || is_other_living_ivtrace(group->pid) || !seen.insert(name).second) continue;
    const Kind kind = group->kind.starts_with("u") ? Kind::kUprobe : Kind::kKprobe;
    events.disable_everywhere(name.group);
    if (Status removed = remove_patiently(events, kind, name); removed) {
      found.removed.push_back(group->kind + ":" + name.event + " of " + std::to_string(group->pid));
    } else {
      found.problems.push_back("the probe " + name.group + "/" + name.event + ": " + removed.error().message);
    }
  }
  return found;
}

}  // namespace ivtrace::probes
