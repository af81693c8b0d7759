#include "query/model_rows.h"

#include <fmt/format.h>

#include "query/model_pass.h"

namespace ivtrace::query {

RowKind set_of(RowKind kind) {
  switch (kind) {
    case RowKind::kIoPhase:
    case RowKind::kIoSlow:
    case RowKind::kIoSlowLoad:
      return RowKind::kIoRequest;
    case RowKind::kMarkInstant:
    case RowKind::kMarkCounter:
      return RowKind::kMarkSlice;
    default:
      return kind;
  }
}

void add_notices(const merge::RunEvents& events, Notices& notices) {
  notices.lines.insert(events.notices().begin(), events.notices().end());
  if (!events.unaligned().empty()) notices.incomplete = true;
  std::map<std::string_view, std::uint64_t> without_time;
  for (const auto& stream : events.streams()) {
    if (const std::uint64_t count = stream->stats().without_time; count > 0)
      without_time[stream->info().machine_name] += count;
  }
  for (const auto& [machine, count] : without_time) {
    notices.incomplete = true;
    notices.lines.insert(
        fmt::format("{}: {} events are left out: no clock relation holds at their time", machine, count));
  }
}

Status ModelRows::make(RowKind kind) {
  if (made_[static_cast<std::size_t>(kind)]) return {};
  want(kind);
  find_kept();
  return is_wanted(kind) ? walk() : Status();
}

RowWatch& ModelRows::watch() const {
  static RowWatch nobody;
  return watch_ != nullptr ? *watch_ : nobody;
}

Status ModelRows::walk() {
  // A hole is told at its end, when what lies within it has been looked at already: where the host lost
  // events, what depends on them is made a second time, with what was lost. Most hosts lose nothing.
  const std::array<bool, kRowKinds> made_before = made_;
  while (true) {
    ++walks_;
    const bool knows_losses = lost_.has_value();
    const model::LostRanges lost = lost_.value_or(model::LostRanges());
    IVT_ASSIGN_OR_RETURN(merge::RunEvents events, merge::RunEvents::open(run_, {}));
    ModelPass pass(*this, events, lost);
    IVT_RETURN_IF_ERROR(pass.walk());
    if (!knows_losses) {
      lost_ = pass.losses_of_host();
      lost_->join();
      if (pass.depends_on_losses() && !lost_->empty()) continue;
    }
    IVT_RETURN_IF_ERROR(pass.finish());
    watch().pauses();
    for (std::size_t i = 0; i < kRowKinds; ++i) {
      const auto kind = static_cast<RowKind>(i);
      if (!made_[i] || made_before[i] || set_of(kind) != kind) continue;
      const Notices notices = pass.notices(kind);
      say(notices);
      keep(kind, notices);
    }
    return {};
  }
}

void ModelRows::say(const Notices& notices) {
  notices_.lines.insert(notices.lines.begin(), notices.lines.end());
  notices_.incomplete = notices_.incomplete || notices.incomplete;
}

const std::string& ModelRows::exit_reason(std::uint32_t number) const {
  static const std::string kNone;
  const auto found = words_.exit_reasons.find(number);
  return found == words_.exit_reasons.end() ? kNone : found->second;
}

}  // namespace ivtrace::query
