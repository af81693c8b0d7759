// Which epoch holds for a guest timestamp? Epoch i may hold from valid_from − uncertain on, and surely ends
// where the next one surely holds. Where the ranges of several epochs overlap (the change lies somewhere
// between two bursts, or the guest's TSC was set back and its times repeat), each of them gives a candidate;
// the answer then says that it is uncertain and how far the candidates are apart.
#include <algorithm>
#include <limits>

#include "clock/clock_map.h"
#include "clock/relation.h"

namespace ivtrace::clock {
namespace {

constexpr std::size_t kMaxEpochs = 1u << 20;  // a run of weeks with a change every second
constexpr std::uint64_t kFastSpan = 1ull << 62;
constexpr std::uint64_t kEndless = std::numeric_limits<std::uint64_t>::max();

std::uint64_t first_possible(const Epoch& epoch) {
  return epoch.valid_from.value - std::min(epoch.valid_from.value, epoch.uncertain);
}

std::uint64_t end_of(std::span<const Epoch> timeline, std::size_t i) {
  return i + 1 < timeline.size() ? std::max(timeline[i + 1].valid_from.value, first_possible(timeline[i]))
                                 : kEndless;
}

struct Candidates {
  std::uint64_t lowest = kEndless;  ///< host times, the epochs' own error taken off and added
  std::uint64_t highest = 0;
  HostTsc best;
  std::uint64_t best_error = 0;
  std::size_t index = 0;
  std::size_t count = 0;
  bool before_all = false;  ///< the only one is the first epoch, in the time before its first burst
};

/// `not_before` 0: any. Of several candidates the earliest is the best: it is the one that keeps a stream's
/// pace.
Candidates collect(std::span<const Epoch> timeline, GuestTsc tsc, std::uint64_t not_before) {
  Candidates found;
  for (std::size_t i = 0; i < timeline.size(); ++i) {
    const Epoch& epoch = timeline[i];
    if (tsc.value < first_possible(epoch)) continue;
    if (tsc.value >= end_of(timeline, i) && i + 1 < timeline.size()) continue;
    const auto host = to_host(epoch.relation, tsc);
    if (!host) continue;
    const std::uint64_t error = epoch.error + (is_unscaled(epoch.relation) ? 0 : 1);
    const std::uint64_t high = host->value > kEndless - error ? kEndless : host->value + error;
    if (high < not_before) continue;
    if (found.count == 0 || *host < found.best) {
      found.best = *host;
      found.best_error = error;
      found.index = i;
    }
    found.lowest = std::min(found.lowest, host->value - std::min(host->value, error));
    found.highest = std::max(found.highest, high);
    found.before_all = i == 0 && tsc < epoch.valid_from;
    ++found.count;
  }
  return found;
}

HostTime answer(const Candidates& found) {
  if (found.count == 1) return {found.best, found.best_error, found.before_all};
  return {found.best, std::max(found.best.value - found.lowest, found.highest - found.best.value), true};
}

}  // namespace

Status GuestClock::add(const Epoch& epoch) {
  if (!valid(epoch.relation)) {
    return Error(ErrorCode::kCorrupt,
                 "a clock epoch has a TSC ratio that cannot be: " + std::to_string(epoch.relation.ratio) +
                     " with " + std::to_string(epoch.relation.frac_bits) + " fraction bits");
  }
  if (epoch.cpu) {
    auto own = own_.find(*epoch.cpu);
    if (own == own_.end()) own = own_.emplace(*epoch.cpu, shared_).first;
    append(own->second, epoch);
    return {};
  }
  append(shared_, epoch);
  return {};
}

void GuestClock::append(std::vector<Epoch>& timeline, const Epoch& epoch) {
  Epoch next = epoch;
  auto same = std::find_if(timeline.begin(), timeline.end(),
                           [&](const Epoch& known) { return known.valid_from == epoch.valid_from; });
  if (same == timeline.end() && !timeline.empty() && timeline.back().relation == epoch.relation)
    same = timeline.end() - 1;
  if (same != timeline.end()) {
    next.host_from = std::min(next.host_from, same->host_from);  // it began when its first version did
    timeline.erase(same, timeline.end());
  }
  if (timeline.size() < kMaxEpochs) timeline.push_back(next);
}

std::span<const Epoch> GuestClock::timeline(CpuId cpu) const {
  const auto own = own_.find(cpu.value);
  return own != own_.end() ? own->second : shared_;
}

std::optional<HostTime> GuestClock::to_host(GuestTsc tsc, CpuId cpu) const {
  const Candidates found = collect(timeline(cpu), tsc, 0);
  if (found.count == 0) return std::nullopt;
  return answer(found);
}

std::optional<GuestTsc> GuestClock::to_guest(HostTsc tsc, CpuId cpu) const {
  const auto epochs = timeline(cpu);
  if (epochs.empty()) return std::nullopt;
  std::size_t i = epochs.size() - 1;
  while (i > 0 && epochs[i].host_from > tsc) --i;
  return clock::to_guest(epochs[i].relation, tsc);
}

std::size_t GuestClock::epoch_count() const {
  std::size_t count = shared_.size();
  for (const auto& [cpu, timeline] : own_) {
    // The shared past of a CPU's own timeline is counted once, with the shared ones.
    count += static_cast<std::size_t>(std::count_if(
        timeline.begin(), timeline.end(), [](const Epoch& epoch) { return epoch.cpu.has_value(); }));
  }
  return count;
}

std::optional<std::uint64_t> GuestClock::worst_error() const {
  std::optional<std::uint64_t> worst;
  const auto take = [&](const std::vector<Epoch>& timeline) {
    for (const Epoch& epoch : timeline) worst = std::max(worst.value_or(0), epoch.error);
  };
  take(shared_);
  for (const auto& [cpu, timeline] : own_) take(timeline);
  return worst;
}

std::uint64_t GuestClock::ticks_in_doubt() const {
  std::uint64_t most = 0;
  const auto take = [&](const std::vector<Epoch>& timeline) {
    std::uint64_t sum = 0;
    for (std::size_t i = 1; i < timeline.size(); ++i) sum += std::min(timeline[i].uncertain, kEndless - sum);
    most = std::max(most, sum);
  };
  take(shared_);
  for (const auto& [cpu, timeline] : own_) take(timeline);
  return most;
}

ClockSource GuestClock::source() const {
  ClockSource best = ClockSource::kNone;
  const auto take = [&](const std::vector<Epoch>& timeline) {
    if (!timeline.empty()) best = std::max(best, timeline.back().source);
  };
  take(shared_);
  for (const auto& [cpu, timeline] : own_) take(timeline);
  return best;
}

std::optional<HostTime> GuestClock::Stream::look_up(GuestTsc tsc) {
  Candidates found = collect(timeline_, tsc, last_);
  if (found.count == 0)
    found = collect(timeline_, tsc, 0);  // a damaged time must not shut out all that follow
  if (found.count == 0) return std::nullopt;
  const HostTime time = answer(found);
  if (time.uncertain) {
    last_doubt_ = time;
  } else {
    last_ = time.tsc.value - std::min(time.tsc.value, time.error);
    set_fast_range(found.index);
  }
  return time;
}

void GuestClock::Stream::set_fast_range(std::size_t index) {
  const Epoch& epoch = timeline_[index];
  first_ = 1;
  end_ = 0;
  if (!is_unscaled(epoch.relation)) return;
  std::uint64_t first = 0;
  std::uint64_t end = kEndless;
  for (std::size_t i = 0; i <= index; ++i) first = std::max(first, timeline_[i].valid_from.value);
  for (std::size_t i = index + 1; i < timeline_.size(); ++i)
    end = std::min(end, first_possible(timeline_[i]));
  // Within it the subtraction can give no host time below 0 nor beyond 2^63.
  const auto offset = static_cast<std::uint64_t>(epoch.relation.offset);
  if (!clock::to_host(epoch.relation, GuestTsc(first))) return;
  if (first < kEndless - kFastSpan) end = std::min(end, first + kFastSpan);
  if (first >= end || !clock::to_host(epoch.relation, GuestTsc(end - 1))) return;
  first_ = first;
  end_ = end;
  offset_ = offset;
  error_ = epoch.error;
}

}  // namespace ivtrace::clock
