#include "model/containment.h"

#include <algorithm>
#include <utility>

#include "model/lost_ranges.h"

namespace ivtrace::model {
namespace {

constexpr std::size_t kMaxPending = 4096;
constexpr std::uint64_t kAskEach = 1 << 16;  // events

/// Asks whether to go on, though not for each event.
class Patience {
 public:
  explicit Patience(const std::function<bool()>& give_up) : give_up_(give_up) {}
  bool ended() { return ++events_ % kAskEach == 0 && give_up_ && give_up_(); }
  static Error error() { return Error(ErrorCode::kTimeout, "measuring the containment was given up"); }

 private:
  const std::function<bool()>& give_up_;
  std::uint64_t events_ = 0;
};

/// Follows one vCPU.
class Judge {
 public:
  explicit Judge(const Vcpu& vcpu) { result_.vcpu = vcpu; }

  void enter(HostTsc at) {
    settle(at);
    state_ = State::kGuest;
    since_ = at;
  }
  void leave(HostTsc at) {
    settle(std::nullopt);
    state_ = State::kHost;
    since_ = at;
  }
  void forget() {
    settle(std::nullopt);
    state_ = State::kUnknown;
  }
  void guest_event(HostTsc at, bool lost_range, bool in_doubt) {
    if (lost_range) {
      ++result_.in_lost_ranges;
    } else if (in_doubt || state_ == State::kUnknown) {
      ++result_.unknown;
    } else if (state_ == State::kGuest || at == since_) {
      ++result_.inside;
    } else if (pending_.size() < kMaxPending) {
      pending_.push_back(at);
    } else {
      violation(at, at.value - since_.value);
    }
  }
  Containment finish() {
    settle(std::nullopt);
    return result_;
  }

 private:
  enum class State { kUnknown, kGuest, kHost };

  // How far a violation lies outside is known when the next entry is: one at that very moment is none.
  void settle(std::optional<HostTsc> entry) {
    for (const HostTsc at : pending_) {
      std::uint64_t distance = at.value - since_.value;
      if (entry) distance = std::min(distance, entry->value - at.value);
      if (distance == 0) {
        ++result_.inside;
      } else {
        violation(at, distance);
      }
    }
    pending_.clear();
  }
  void violation(HostTsc at, std::uint64_t distance) {
    ++result_.outside;
    if (distance <= result_.worst_ticks) return;
    result_.worst_ticks = distance;
    result_.worst_at = at;
  }

  Containment result_;
  State state_ = State::kUnknown;
  HostTsc since_;
  std::vector<HostTsc> pending_;  // guest events since the exit
};

/// One reading of all events.
struct Reading {
  std::vector<Containment> judged;
  LostRanges lost;  ///< that it came by, not joined
};

Result<Reading> read_all(const run::RunReader& run, LostRanges known, Patience& patience) {
  Reading reading;
  IVT_ASSIGN_OR_RETURN(merge::RunEvents events, merge::RunEvents::open(run, {}));
  const VcpuEvents vcpu_events(run, events);
  if (!vcpu_events.recorded()) return reading;
  std::vector<Judge> judges(vcpu_events.vcpus().begin(), vcpu_events.vcpus().end());
  merge::MergedEvent event;
  while (events.next(event)) {
    if (patience.ended()) return Patience::error();
    if (event.loss != nullptr) {
      if (event.stream->machine != vcpu_events.host()) continue;
      reading.lost.add(*event.loss);
      for (Judge& judge : judges) judge.forget();
    } else if (const auto vcpu = vcpu_events.vcpu_of(event)) {
      judges[*vcpu].guest_event(event.time, known.covers(event.time), event.source->doubt() != 0);
    } else if (const auto seen = vcpu_events.look(event); seen.step == VcpuEvents::Step::kEntry) {
      judges[seen.vcpu].enter(event.time);
    } else if (seen.step == VcpuEvents::Step::kExit) {
      judges[seen.vcpu].leave(event.time);
    }
  }
  for (Judge& judge : judges) {
    const Containment measured = judge.finish();
    if (measured.vcpu.cpu) reading.judged.push_back(measured);
  }
  return reading;
}

}  // namespace

// A hole is told at its end, when the guest's events within it have been judged already. Most hosts lose
// nothing, so that is read first, and once more where it is not so.
Result<std::vector<Containment>> measure_containment(const run::RunReader& run,
                                                     const std::function<bool()>& give_up) {
  const std::vector<Vcpu> vcpus = kvm_vcpus(run);
  if (std::none_of(vcpus.begin(), vcpus.end(), [](const Vcpu& vcpu) { return vcpu.cpu.has_value(); }))
    return std::vector<Containment>{};
  Patience patience(give_up);
  IVT_ASSIGN_OR_RETURN(Reading reading, read_all(run, {}, patience));
  if (reading.lost.empty()) return std::move(reading.judged);
  reading.lost.join();
  IVT_ASSIGN_OR_RETURN(Reading second, read_all(run, std::move(reading.lost), patience));
  return std::move(second.judged);
}

}  // namespace ivtrace::model
