#include "clock/estimator.h"

#include <algorithm>

#include "clock/relation.h"

namespace ivtrace::clock {
namespace {

constexpr std::size_t kMaxPoints = 16;
constexpr std::size_t kMaxSuspects = 4;
constexpr std::size_t kMaxPast = 8;
constexpr int kMaxFollowUps = 4;
constexpr std::size_t kMaxSightings = 1024;
/// A line through three points means nothing when the points are so wide that any line fits.
constexpr double kWorstSpeedError = 1e-3;

std::string cpu_name(const std::optional<std::uint32_t>& cpu) {
  return cpu ? "CPU " + std::to_string(*cpu) : std::string("all CPUs");
}

}  // namespace

const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kFirst:
      return "first";
    case Verdict::kAgrees:
      return "agrees";
    case Verdict::kExcludes:
      return "excludes";
    case Verdict::kEmpty:
      return "empty";
    case Verdict::kFailed:
      return "failed";
  }
  return "failed";
}

Estimator::Track* Estimator::track_of(std::uint32_t cpu) {
  if (const auto own = own_.find(cpu); own != own_.end()) return &own->second;
  return shared_ ? &*shared_ : nullptr;
}

const Estimator::Track* Estimator::track_of(std::uint32_t cpu) const {
  if (const auto own = own_.find(cpu); own != own_.end()) return &own->second;
  return shared_ ? &*shared_ : nullptr;
}

Estimator::Track& Estimator::add_track(std::optional<std::uint32_t> cpu) {
  Track track;
  if (cpu && shared_) track = *shared_;  // what was true of all was true of this one
  track.cpu = cpu;
  track.suspects.clear();
  if (!cpu) return shared_.emplace(std::move(track));
  return own_.insert_or_assign(*cpu, std::move(track)).first->second;
}

bool Estimator::aligned(CpuId cpu) const { return track_of(cpu.value) != nullptr; }

std::optional<Epoch> Estimator::current(CpuId cpu) const {
  const Track* track = track_of(cpu.value);
  if (track == nullptr) return std::nullopt;
  return track->epoch;
}

void Estimator::ask_follow_up(Outcome& outcome) {
  if (follow_ups_ >= kMaxFollowUps) return;
  ++follow_ups_;
  outcome.follow_up = true;
}

Outcome Estimator::on_burst(const Burst& burst) {
  Outcome outcome;
  if (burst.exchanges == 0) {
    outcome.verdict = Verdict::kFailed;
    follow_ups_ = 0;
    stood_still_ = true;
    return outcome;
  }
  Track* track = track_of(burst.cpu);
  if (track == nullptr) {
    first_burst(burst, outcome);
    return outcome;
  }
  OffsetBounds bounds = bounds_of(burst, track->epoch.relation);
  if (bounds.empty()) {
    ++anomalies_;
    outcome.verdict = Verdict::kEmpty;
    doubt(*track, burst, outcome);
    return outcome;
  }
  // A fitted speed is known only so well: the farther from the fitted points, the less.
  if (track->fitted && !track->points.empty()) {
    const std::uint64_t away = burst.host_tsc.value - track->points.back().t1.value;
    bounds =
        widened(bounds, static_cast<std::uint64_t>(static_cast<double>(away) * track->relative_error * 2));
  }
  if (gap(bounds, track->bounds) + track->skew_used <= kTscSkew) {
    agree(*track, burst, bounds, outcome);
  } else {
    outcome.verdict = Verdict::kExcludes;
    doubt(*track, burst, outcome);
  }
  return outcome;
}

void Estimator::first_burst(const Burst& burst, Outcome& outcome) {
  ask_follow_up(outcome);
  OffsetBounds bounds{burst.lower, burst.upper};
  if (unaligned_points_.size() > kMaxTracks)
    unaligned_points_.clear();  // before a reference into it is taken
  auto& points = unaligned_points_[burst.cpu];
  std::optional<LineFit> fit;
  if (bounds.empty()) {
    ++anomalies_;
    outcome.verdict = Verdict::kEmpty;
    points.push_back(point_of(burst));
    if (points.size() > 3) points.erase(points.begin());
    if (points.size() == 3) fit = fit_line(points);
    if (!fit || is_unscaled(fit->relation) || fit->relative_error > kWorstSpeedError) return;
    bounds = {fit->lower, fit->upper};
  } else {
    outcome.verdict = Verdict::kFirst;
  }
  // When other CPUs were seen to differ from each other, one CPU's burst speaks for itself only.
  Track& track = add_track(own_.empty() ? std::nullopt : std::optional(burst.cpu));
  track.bounds = bounds;
  track.fitted = fit.has_value();
  track.relative_error = fit ? fit->relative_error : 0;
  track.points = fit ? points : std::vector{point_of(burst)};
  track.agreed_at = burst.host_tsc;
  track.agreed_by[burst.cpu] = burst.host_tsc;
  track.changed_not_before = burst.tight_t1;
  const std::uint64_t span = burst.tight_t2.value - track.points.front().t1.value;
  track.epoch = fit ? fitted_epoch(*fit, span) : epoch_of(bounds, TscRelation{}, 0);
  track.fitted_for = kFittedFor * span;
  track.epoch.cpu = track.cpu;
  track.epoch.host_from = burst.host_tsc;
  // Nothing is known of the time before: the relation may have held since the guest's TSC was 0.
  track.epoch.valid_from = fit ? points.front().guest : burst.guest_tsc;
  track.epoch.uncertain = track.epoch.valid_from.value;
  outcome.epochs.push_back(track.epoch);
  unaligned_points_.erase(burst.cpu);
}

void Estimator::agree(Track& track, const Burst& burst, const OffsetBounds& bounds, Outcome& outcome) {
  outcome.verdict = Verdict::kAgrees;
  for (const auto& [cpu, suspects] : track.suspects) {
    if (cpu == burst.cpu)
      anomalies_ += !suspects.empty() && suspects.back().lower <= suspects.back().upper ? 1 : 0;
  }
  track.suspects.erase(burst.cpu);
  track.agreed_at = std::max(track.agreed_at, burst.host_tsc);
  track.agreed_by[burst.cpu] = burst.host_tsc;
  while (!sightings_.empty() && sightings_.front().not_after < burst.tight_t1) sightings_.pop_front();
  follow_ups_ = 0;
  stood_still_ = false;
  if (resumed_ && burst.tight_t1 >= *resumed_) resumed_.reset();
  if (is_exact(track.epoch.source)) return;
  if (track.fitted) {
    refit(track, burst, outcome);
    return;
  }
  track.skew_used += gap(bounds, track.bounds);
  if (meets(bounds, track.bounds)) {
    track.bounds = common(bounds, track.bounds);
  } else {
    track.bounds = {std::min(bounds.upper, track.bounds.upper), std::max(bounds.lower, track.bounds.lower)};
  }
  if (track.points.size() < 2) track.points.push_back(point_of(burst));
  track.points.back() = point_of(burst);
  Epoch better = epoch_of(track.bounds, track.epoch.relation, track.skew_used);
  if (better.error > track.epoch.error - track.epoch.error / 4) return;
  better.valid_from = track.epoch.valid_from;
  better.uncertain = track.epoch.uncertain;
  better.cpu = track.cpu;
  better.host_from = burst.host_tsc;
  track.epoch = better;
  outcome.epochs.push_back(better);
}

void Estimator::refit(Track& track, const Burst& burst, Outcome& outcome) {
  std::vector<LinePoint> points = track.points;
  points.push_back(point_of(burst));
  const auto fit = fit_line(points);
  if (!fit) return;  // within the slack, but on no common line: the standing one is kept
  if (points.size() > kMaxPoints) {
    // The first points give the long base; of the others every second one is enough.
    for (std::size_t i = 1; i + 1 < points.size(); ++i)
      points.erase(points.begin() + static_cast<std::ptrdiff_t>(i));
  }
  track.points = std::move(points);
  const std::uint64_t span = burst.tight_t2.value - track.points.front().t1.value;
  const bool sharper = fit->relative_error < track.relative_error / 2;
  track.relative_error = std::min(track.relative_error, fit->relative_error);
  if (!sharper && span < track.fitted_for) return;
  track.bounds = {fit->lower, fit->upper};
  track.relative_error = fit->relative_error;
  Epoch better = fitted_epoch(*fit, span);
  track.fitted_for = kFittedFor * span;
  better.valid_from = track.epoch.valid_from;
  better.uncertain = track.epoch.uncertain;
  better.cpu = track.cpu;
  better.host_from = burst.host_tsc;
  track.epoch = better;
  outcome.epochs.push_back(better);
}

void Estimator::doubt(Track& track, const Burst& burst, Outcome& outcome) {
  std::vector<Burst>& suspects = track.suspects[burst.cpu];
  suspects.push_back(burst);
  if (suspects.size() > kMaxSuspects) suspects.erase(suspects.begin());
  if (is_exact(track.epoch.source)) outcome.read_exact = true;
  if (confirm(track, suspects, outcome)) {
    follow_ups_ = 0;
    return;
  }
  ask_follow_up(outcome);
}

bool Estimator::confirm(Track& shared_track, std::vector<Burst>& suspects, Outcome& outcome) {
  const Burst last = suspects.back();
  const TscRelation relation = shared_track.epoch.relation;
  OffsetBounds bounds = bounds_of(last, relation);
  HostTsc changed_by = last.tight_t2;
  HostTsc not_before = shared_track.agreed_at;
  bool confirmed = false;
  if (!bounds.empty() && resumed_ && last.tight_t1 >= *resumed_) {
    confirmed = true;  // an exact source told that the clock jumped; one burst tells by how much
    changed_by = std::min(changed_by, std::max(*resumed_, not_before));
    resumed_.reset();
  } else if (!bounds.empty() && suspects.size() >= 2) {
    const Burst& earlier = suspects[suspects.size() - 2];
    const OffsetBounds earlier_bounds = bounds_of(earlier, relation);
    if (!earlier_bounds.empty() && gap(bounds, earlier_bounds) == 0) {
      confirmed = true;
      bounds = common(bounds, earlier_bounds);
      changed_by = earlier.tight_t2;
    }
  }
  if (confirmed && is_exact(shared_track.epoch.source)) {
    return contradicts_exact(shared_track, suspects, bounds, outcome);
  }
  if (confirmed) {
    Track* track = &shared_track;
    const bool others_agree =
        std::any_of(track->agreed_by.begin(), track->agreed_by.end(), [&](const auto& entry) {
          return entry.first != last.cpu && entry.second > suspects.front().host_tsc;
        });
    if (!track->cpu && (others_agree || !own_.empty())) {
      const auto agreed = track->agreed_by.find(last.cpu);
      not_before = agreed == track->agreed_by.end() ? HostTsc(0) : agreed->second;
      track->suspects.erase(last.cpu);  // `suspects` ends here
      track = &add_track(last.cpu);
    }
    change(*track, epoch_of(bounds, relation, 0), bounds, not_before, changed_by, outcome);
    track->points = {point_of(last)};
    track->agreed_at = last.host_tsc;
    track->agreed_by = {{last.cpu, last.host_tsc}};
    replace_by_line(*track, outcome);
    return true;
  }
  if (suspects.size() < 3 || is_exact(shared_track.epoch.source)) return false;
  std::vector<LinePoint> points;
  for (auto burst = suspects.end() - 3; burst != suspects.end(); ++burst) points.push_back(point_of(*burst));
  const auto fit = fit_line(points);
  if (!fit || fit->relative_error > kWorstSpeedError || is_unscaled(fit->relation)) return false;
  const OffsetBounds line_bounds{fit->lower, fit->upper};
  const std::uint64_t span = points.back().t2.value - points.front().t1.value;
  change(shared_track, fitted_epoch(*fit, span), line_bounds, not_before, points.front().t2, outcome);
  shared_track.fitted_for = kFittedFor * span;
  shared_track.fitted = true;
  shared_track.relative_error = fit->relative_error;
  shared_track.points = points;
  shared_track.past.clear();
  shared_track.agreed_at = last.host_tsc;
  shared_track.agreed_by = {{last.cpu, last.host_tsc}};
  return true;
}

/// The handshake excludes what KVM said, twice. KVM's word counts when it was given again after that; else
/// the handshake is the newer knowledge.
bool Estimator::contradicts_exact(Track& track, const std::vector<Burst>& suspects,
                                  const OffsetBounds& bounds, Outcome& outcome) {
  const HostTsc doubted = suspects.front().tight_t2;
  const bool still_said = track.exact_at > doubted;
  if (!still_said && suspects.size() < 3) return false;  // read_exact was asked for: let it speak
  if (!track.disagreement_told) {
    outcome.findings.push_back(
        "clock sources disagree on " + cpu_name(track.cpu) + ": " + to_string(track.epoch.source) +
        " says offset " + std::to_string(track.epoch.relation.offset) + ", the handshake says " +
        std::to_string(bounds.lower) + " to " + std::to_string(bounds.upper) +
        (still_said ? "; the former is used" : "; the former was not told again, the latter is used"));
    track.disagreement_told = true;
  }
  if (still_said) return true;
  const Burst last = suspects.back();
  change(track, epoch_of(bounds, track.epoch.relation, 0), bounds, track.agreed_at, doubted, outcome);
  track.points = {point_of(last)};
  track.agreed_at = last.host_tsc;
  track.agreed_by = {{last.cpu, last.host_tsc}};
  return true;
}

/// Do the sightings tell that the change came later than `not_before`, or earlier than `not_after`? Moves
/// both. Taken for granted is one change between two bursts, as long as no sighting shows another one.
bool Estimator::narrow(const Epoch& old_epoch, const Epoch& new_epoch, HostTsc& not_before,
                       HostTsc& not_after) const {
  HostTsc last_old = not_before;
  HostTsc first_new = not_after;
  bool told = false;
  const auto read_at = [](const Epoch& epoch, const Sighting& sighting) {
    auto at = to_host(epoch.relation, sighting.guest);
    if (at && (at->value + epoch.error < sighting.not_before.value ||
               at->value > sighting.not_after.value + epoch.error)) {
      at.reset();
    }
    return at;
  };
  for (const Sighting& sighting : sightings_) {
    if (sighting.not_after <= not_before) continue;
    if (sighting.not_before >= not_after) break;
    const auto by_old = read_at(old_epoch, sighting);
    const auto by_new = read_at(new_epoch, sighting);
    if (!by_old && !by_new) return false;  // a third relation held in between: more than one change
    if (by_old && by_new) continue;
    told = true;
    if (by_new) {
      first_new = std::min(first_new, *by_new);
      break;
    }
    last_old = std::max(last_old, *by_old);
  }
  if (!told || last_old > first_new) return false;
  not_before = last_old;
  not_after = first_new;
  return true;
}

/// Ends the standing epoch and begins `epoch`, which holds at host time `not_after` and did not before
/// `not_before`.
void Estimator::change(Track& track, const Epoch& next, const OffsetBounds& bounds, HostTsc not_before,
                       HostTsc not_after, Outcome& outcome) {
  Epoch epoch = next;
  not_before = std::min(not_before, not_after);
  // A heartbeat does not tell which CPU's TSC it is, so it speaks for a clock that all share.
  const bool watched = !track.cpu && narrow(track.epoch, epoch, not_before, not_after);
  place(track.epoch, epoch, not_before, not_after, stood_still_ || watched);
  track.previous = track.epoch;
  if (!is_exact(track.epoch.source)) {
    track.past.push_back({track.epoch, track.points});
    if (track.past.size() > kMaxPast) track.past.erase(track.past.begin());
  }
  epoch.cpu = track.cpu;
  epoch.host_from = not_after;
  track.epoch = epoch;
  track.bounds = bounds;
  track.skew_used = 0;
  track.fitted = false;
  track.suspects.clear();
  track.points.clear();
  track.changed_not_before = not_before;
  track.other_change_seen = false;
  track.disagreement_told = false;
  stood_still_ = false;
  outcome.epochs.push_back(epoch);
}

/// When the points of the last three or more epochs lie on one line, they were one epoch of a drifting clock.
bool Estimator::replace_by_line(Track& track, Outcome& outcome) {
  if (track.past.size() < 2 || is_exact(track.epoch.source)) return false;
  for (std::size_t first = 0; first + 2 <= track.past.size(); ++first) {
    std::vector<LinePoint> points;
    for (std::size_t i = first; i < track.past.size(); ++i) {
      points.insert(points.end(), track.past[i].points.begin(), track.past[i].points.end());
    }
    points.insert(points.end(), track.points.begin(), track.points.end());
    const auto fit = fit_line(points);
    if (!fit || is_unscaled(fit->relation) || fit->relative_error > kWorstSpeedError) continue;
    const Epoch& oldest = track.past[first].epoch;
    track.bounds = {fit->lower, fit->upper};
    const std::uint64_t span = points.back().t2.value - points.front().t1.value;
    Epoch line = fitted_epoch(*fit, span);
    track.fitted_for = kFittedFor * span;
    line.valid_from = oldest.valid_from;
    line.uncertain = oldest.uncertain;
    line.cpu = track.cpu;
    line.host_from = track.epoch.host_from;
    track.epoch = line;
    track.fitted = true;
    track.relative_error = fit->relative_error;
    if (points.size() > kMaxPoints) points.erase(points.begin() + 1, points.end() - kMaxPoints + 1);
    track.points = std::move(points);
    track.past.resize(first);
    outcome.epochs.back() = line;
    return true;
  }
  return false;
}

Outcome Estimator::on_resumed(HostTsc seen_running) {
  Outcome outcome;
  if (!shared_ && own_.empty()) return outcome;
  resumed_ = seen_running;
  stood_still_ = true;
  follow_ups_ = 0;
  ask_follow_up(outcome);
  return outcome;
}

void Estimator::on_sighting(const Sighting& sighting) {
  if (sightings_.size() >= kMaxSightings) sightings_.pop_front();
  sightings_.push_back(sighting);
}

}  // namespace ivtrace::clock
