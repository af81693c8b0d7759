// From handshake bursts and from what KVM tells to a guest's list of clock epochs.
//
//              first burst                    burst meets it
//   nothing ───────────────▶ epoch stands ◀───────────────┐ (narrows the error)
//      │                       │      ▲    ───────────────┘
//      │ exact source          │      │ burst meets it: the suspicion was an anomaly
//      └──────────────────▶    │ burst excludes it
//                              ▼      │
//                            suspicion ── a second burst excludes it and agrees with the first ──▶ new epoch
//
// A burst whose interval is empty contradicts itself: the clock was changed in its midst, or the guest lies,
// or the two clocks run at different speeds. Alone it is an anomaly that is counted; three in a row that lie
// on a straight line are a guest of another speed. A slow drift shows otherwise: every epoch is excluded soon
// after it was made; when the points of three epochs lie on one line, one sloped epoch replaces them.
//
// Where a change happened is known only to lie between the last burst that agreed and the first that
// excluded. The agent's heartbeats in between (sightings) tell more: one that only the old relation could
// have given came before the change, one that only the new could, after it. Epoch::uncertain covers every
// guest time that both relations could have given in what is left. (A guest that stood still, as its
// heartbeats or its missing answers show, goes on where it was.) KVM's own numbers are exact and win at once;
// a handshake that contradicts them is a finding, since one of both is wrong and a guest is able to lie only
// in the handshake.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/units.h"
#include "clock/kvm.h"
#include "clock/line_fit.h"
#include "clock/offset_bounds.h"
#include "clock/types.h"

namespace ivtrace::clock {

enum class Verdict { kFirst, kAgrees, kExcludes, kEmpty, kFailed };
/// The journal's word for it: "first", "agrees", "excludes", "empty", "failed".
const char* to_string(Verdict verdict);

/// What one input led to.
struct Outcome {
  Verdict verdict = Verdict::kAgrees;  ///< of a burst
  /// To be journalled in this order. An epoch with the valid_from of an earlier one, or with the relation of
  /// the last one, replaces it and what came after it (docs of GuestClock::add).
  std::vector<Epoch> epochs;
  std::vector<std::string> findings;  ///< sources that disagree: one line each, for people
  bool follow_up = false;             ///< run another burst on that CPU now; never asked for without end
  bool read_exact = false;            ///< read KVM's files now: the handshake contradicts what they said
};

/// The clock of one guest during one life of its agent. Owns its history, which is bounded. One thread.
class Estimator {
 public:
  /// One handshake burst. Its numbers may be anything.
  Outcome on_burst(const Burst& burst);
  /// What KVM's files or its tracepoint say, each time that they are read.
  Outcome on_exact(const ExactRelation& exact);
  /// The guest was seen to stand still, or not to run under the old relation, until `seen_running` (QMP
  /// RESUME, a status that became "running", a migration): the next burst that excludes needs no second one.
  /// Asks for that burst.
  Outcome on_resumed(HostTsc seen_running);
  /// A heartbeat, in the order in which they came. Kept until a burst tells what to make of it.
  void on_sighting(const Sighting& sighting);

  /// Is there a relation for that guest CPU?
  bool aligned(CpuId cpu) const;
  /// The standing epoch for that guest CPU as it was last emitted.
  std::optional<Epoch> current(CpuId cpu) const;
  /// Bursts that contradicted themselves, and lone ones that excluded an epoch that then stood.
  std::uint64_t anomalies() const { return anomalies_; }

 private:
  static constexpr std::size_t kMaxTracks = 8192;  ///< CPU numbers come from the guest

  /// One relation's life: of all CPUs, or, once they were seen to differ, of one.
  struct Track {
    std::optional<std::uint32_t> cpu;
    Epoch epoch;          ///< as emitted last
    OffsetBounds bounds;  ///< at epoch.relation's ratio; narrower than what was emitted
    std::uint64_t skew_used = 0;
    bool fitted = false;           ///< the ratio was fitted and is still being refined
    double relative_error = 0;     ///< of a fitted ratio
    std::uint64_t fitted_for = 0;  ///< … whose error bound holds so many host ticks from the first point on
    std::vector<LinePoint> points;               ///< of this epoch; first and last, or more when fitted
    HostTsc agreed_at;                           ///< last time that anything confirmed the relation
    std::map<std::uint32_t, HostTsc> agreed_by;  ///< … for each CPU that was asked
    std::map<std::uint32_t, std::vector<Burst>> suspects;  ///< consecutive bursts that do not fit
    HostTsc changed_not_before;                            ///< bracket of the change that began this epoch
    std::optional<Epoch> previous;                         ///< what it took the place of by a change
    bool other_change_seen = false;                        ///< KVM wrote something else within that bracket
    HostTsc exact_at;  ///< last time that an exact source told this relation
    bool disagreement_told = false;
    /// Points and valid_from of earlier handshake epochs, to tell drift from jumps.
    struct Past {
      Epoch epoch;
      std::vector<LinePoint> points;
    };
    std::vector<Past> past;
  };

  Track* track_of(std::uint32_t cpu);
  const Track* track_of(std::uint32_t cpu) const;
  Track& add_track(std::optional<std::uint32_t> cpu);

  void first_burst(const Burst& burst, Outcome& outcome);
  void agree(Track& track, const Burst& burst, const OffsetBounds& bounds, Outcome& outcome);
  void doubt(Track& track, const Burst& burst, Outcome& outcome);
  bool confirm(Track& track, std::vector<Burst>& suspects, Outcome& outcome);
  bool contradicts_exact(Track& track, const std::vector<Burst>& suspects, const OffsetBounds& bounds,
                         Outcome& outcome);
  bool narrow(const Epoch& old_epoch, const Epoch& new_epoch, HostTsc& not_before, HostTsc& not_after) const;
  void change(Track& track, const Epoch& epoch, const OffsetBounds& bounds, HostTsc not_before,
              HostTsc not_after, Outcome& outcome);
  bool replace_by_line(Track& track, Outcome& outcome);
  void refit(Track& track, const Burst& burst, Outcome& outcome);
  static HostTsc agreed_by_all(const Track& track);
  void exact_on_track(Track& track, const ExactRelation& exact, Outcome& outcome);
  void ask_follow_up(Outcome& outcome);

  std::optional<Track> shared_;
  std::map<std::uint32_t, Track> own_;
  std::map<std::uint32_t, std::vector<LinePoint>>
      unaligned_points_;            ///< empty bursts before there is any epoch
  std::deque<Sighting> sightings_;  ///< since the last burst that agreed
  std::optional<HostTsc> resumed_;
  bool stood_still_ = false;  ///< since the last agreement it did not answer, or was told to have been paused
  std::uint64_t anomalies_ = 0;
  int follow_ups_ = 0;
};

}  // namespace ivtrace::clock
