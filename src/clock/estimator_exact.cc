// What the host's kernel tells of a guest's clock: exact relations, whose moment alone may be in doubt.
#include <algorithm>

#include "clock/estimator.h"
#include "clock/relation.h"

namespace ivtrace::clock {

Outcome Estimator::on_exact(const ExactRelation& exact) {
  Outcome outcome;
  if (!valid(exact.relation) || !is_exact(exact.source)) return outcome;
  if (!exact.cpu) {
    if (!shared_ && own_.empty()) add_track(std::nullopt);
    if (shared_) exact_on_track(*shared_, exact, outcome);
    for (auto& [cpu, track] : own_) exact_on_track(track, exact, outcome);
    return outcome;
  }
  const Track* standing = track_of(*exact.cpu);
  if (standing != nullptr && !standing->cpu && standing->epoch.relation == exact.relation &&
      is_exact(standing->epoch.source)) {
    exact_on_track(*shared_, exact, outcome);
    return outcome;
  }
  if (standing == nullptr || !standing->cpu) {
    if (own_.size() >= kMaxTracks) return outcome;
    add_track(exact.cpu);
  }
  exact_on_track(own_.at(*exact.cpu), exact, outcome);
  return outcome;
}

/// When handshakes last agreed on every CPU that the track is for: what holds on one says nothing of the
/// others.
HostTsc Estimator::agreed_by_all(const Track& track) {
  if (track.cpu) {
    const auto own = track.agreed_by.find(*track.cpu);
    return own == track.agreed_by.end() ? HostTsc(0) : own->second;
  }
  HostTsc earliest = track.agreed_at;
  for (const auto& [cpu, at] : track.agreed_by) earliest = std::min(earliest, at);
  return earliest;
}

void Estimator::exact_on_track(Track& track, const ExactRelation& exact, Outcome& outcome) {
  const std::uint64_t error = is_unscaled(exact.relation) ? 0 : 1;  // KVM rounds the product down
  const OffsetBounds bounds{exact.relation.offset, exact.relation.offset};
  Epoch epoch;
  epoch.relation = exact.relation;
  epoch.source = exact.source;
  epoch.error = error;
  epoch.cpu = track.cpu;
  epoch.host_from = exact.not_after;
  const bool is_new = track.epoch.source == ClockSource::kNone;
  if (is_new) {
    epoch.valid_from = to_guest(exact.relation, exact.not_after);
    epoch.uncertain = epoch.valid_from.value;
    track.changed_not_before = HostTsc(0);
  } else if (is_exact(track.epoch.source) && track.epoch.relation == exact.relation) {
    const bool told_before = exact.not_after < track.epoch.host_from;
    if (!told_before) {
      track.agreed_at = std::max(track.agreed_at, exact.not_after);
      track.exact_at = track.agreed_at;
      return;
    }
    // The tracepoint's page arrived after the files were read: the same change, but now its moment is known.
    if (exact.source != ClockSource::kKvmTracepoint || track.other_change_seen ||
        exact.not_before < track.changed_not_before || track.epoch.source == ClockSource::kKvmTracepoint) {
      return;
    }
    epoch.valid_from = to_guest(exact.relation, exact.not_after);
    if (track.previous) place(*track.previous, epoch, exact.not_before, exact.not_after, false);
    epoch.host_from = track.epoch.host_from;
  } else if (exact.not_after < track.epoch.host_from) {
    // Old news of a relation that is already over: it is covered by the uncertainty of the change, which must
    // then stay.
    track.other_change_seen |= exact.not_after >= track.changed_not_before;
    return;
  } else if (!is_exact(track.epoch.source) &&
             is_unscaled(exact.relation) == is_unscaled(track.epoch.relation) &&
             is_unscaled(exact.relation) && gap(bounds, widened(track.bounds, kTscSkew)) == 0) {
    // The handshake found the same; from now on it is exact.
    epoch.valid_from = track.epoch.valid_from;
    epoch.uncertain = track.epoch.uncertain;
  } else {
    const HostTsc not_before = std::max(exact.not_before, std::min(agreed_by_all(track), exact.not_after));
    track.agreed_at = exact.not_after;
    track.exact_at = exact.not_after;
    change(track, epoch, bounds, not_before, exact.not_after, outcome);
    ask_follow_up(outcome);
    return;
  }
  track.epoch = epoch;
  track.bounds = bounds;
  track.fitted = false;
  track.past.clear();
  track.points.clear();
  track.suspects.clear();
  track.agreed_at = std::max(track.agreed_at, exact.not_after);
  track.exact_at = std::max(track.exact_at, exact.not_after);
  outcome.epochs.push_back(epoch);
}

}  // namespace ivtrace::clock
