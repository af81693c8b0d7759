#include "exchange/trace_cmd_clock.h"

#include <algorithm>
#include <cstdlib>

#include "clock/relation.h"

namespace ivtrace::exchange {
namespace {

using I128 = __int128;

/// Nobody's uptime in nanoseconds comes near; such a line could not be computed with.
constexpr std::uint64_t kMostTime = 1ull << 62;

std::vector<TimeSample> in_order(std::vector<TimeSample> samples) {
  std::ranges::stable_sort(samples, {}, &TimeSample::time);
  // clang 14 cannot compile std::ranges::unique.
  const auto same = [](const TimeSample& a, const TimeSample& b) { return a.time == b.time; };
  samples.erase(std::unique(samples.begin(), samples.end(), same), samples.end());
  return samples;
}

clock::TscRelation relation_of(const TimeSample& sample) {
  clock::TscRelation relation;
  relation.offset = static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(sample.offset));
  relation.ratio = sample.ratio;
  relation.frac_bits = static_cast<std::uint32_t>(std::min<std::uint64_t>(sample.frac_bits, 0xffff));
  return relation;
}

/// The line through two samples; a relation that is not valid() when there is none.
clock::TscRelation line_of(const TimeSample& a, const TimeSample& b) {
  clock::TscRelation line;
  line.ratio = 0;
  const I128 host_a = static_cast<I128>(a.time) + a.offset;
  const I128 host_b = static_cast<I128>(b.time) + b.offset;
  const I128 own = static_cast<I128>(b.time) - static_cast<I128>(a.time);
  const I128 host = host_b - host_a;
  if (host_a < 0 || host <= 0 || own <= 0 || host > kMostTime || own > kMostTime || host / own > 1 ||
      own / host > 1)
    return line;
  line.frac_bits = clock::kMaxFracBits;
  line.ratio = static_cast<std::uint64_t>((own << line.frac_bits) / host);
  line.offset = static_cast<std::int64_t>(a.time - clock::scale(line, static_cast<std::uint64_t>(host_a)));
  return line;
}

std::vector<clock::Epoch> timeline_of(const TimeShift& shift, const std::vector<TimeSample>& unsorted) {
  const std::vector<TimeSample> samples = in_order(unsorted);
  const bool lines = shift.interpolated && samples.size() > 1;
  std::vector<clock::Epoch> epochs;
  for (std::size_t i = 0; i + (lines ? 1 : 0) < samples.size(); ++i) {
    clock::Epoch epoch;
    epoch.valid_from = GuestTsc(epochs.empty() ? 0 : samples[i].time);
    epoch.relation = relation_of(samples[i]);
    epoch.source = clock::ClockSource::kGiven;
    if (lines) {
      const clock::TscRelation line = line_of(samples[i], samples[i + 1]);
      if (clock::valid(line)) epoch.relation = line;
      const I128 change = static_cast<I128>(samples[i + 1].offset) - samples[i].offset;
      epoch.error = static_cast<std::uint64_t>(change < 0 ? -change : change) + 1;
    }
    if (!clock::valid(epoch.relation)) continue;
    epoch.host_from = clock::to_host(epoch.relation, epoch.valid_from).value_or(HostTsc(0));
    epochs.push_back(epoch);
  }
  return epochs;
}

bool same_samples(const std::vector<TimeSample>& a, const std::vector<TimeSample>& b) {
  return std::ranges::equal(a, b, [](const TimeSample& x, const TimeSample& y) {
    return x.time == y.time && x.offset == y.offset && x.ratio == y.ratio && x.frac_bits == y.frac_bits;
  });
}

}  // namespace

std::vector<clock::Epoch> epochs_of(const TimeShift& shift, std::uint32_t cpus) {
  const bool all = !shift.cpus.empty() && shift.cpus.size() >= cpus &&
                   std::ranges::all_of(shift.cpus, [&](const std::vector<TimeSample>& samples) {
                     return same_samples(samples, shift.cpus.front());
                   });
  if (all) return timeline_of(shift, shift.cpus.front());
  std::vector<clock::Epoch> epochs;
  for (std::uint32_t cpu = 0; cpu < std::min<std::size_t>(cpus, shift.cpus.size()); ++cpu) {
    for (clock::Epoch& epoch : timeline_of(shift, shift.cpus[cpu])) {
      epoch.cpu = cpu;
      epochs.push_back(epoch);
    }
  }
  return epochs;
}

TscToNs speed_of(const TraceDat& dat) { return dat.speed.value_or(TscToNs{}); }

std::uint64_t khz_of(const TscToNs& speed) { return (1'000'000ull << speed.shift) / speed.mult; }

HostTsc zero_of(const TraceDat& dat) {
  if (dat.offset_ns >= 0) return HostTsc(0);
  const TscToNs speed = speed_of(dat);
  const auto ns = static_cast<unsigned __int128>(-static_cast<I128>(dat.offset_ns));
  if (ns >> 62 != 0) return HostTsc(0);
  const auto ticks = ((ns << speed.shift) + speed.mult - 1) / speed.mult;
  return HostTsc(ticks >> 62 == 0 ? static_cast<std::uint64_t>(ticks) : 0);
}

std::vector<clock::Anchor> anchors_of(const TraceDat& dat, HostTsc start, HostTsc until) {
  const TscToNs speed = speed_of(dat);
  std::vector<clock::Anchor> anchors;
  for (const HostTsc at : {start, until}) {
    clock::Anchor anchor;
    anchor.tsc = at;
    const auto ns = static_cast<std::int64_t>(speed.to_ns(at.value));
    anchor.monotonic_raw = anchor.monotonic = Nanoseconds(ns);
    anchor.realtime = Nanoseconds(static_cast<std::int64_t>(
        static_cast<std::uint64_t>(ns) + static_cast<std::uint64_t>(dat.date_ns.value_or(0))));
    anchors.push_back(anchor);
  }
  return anchors;
}

}  // namespace ivtrace::exchange
