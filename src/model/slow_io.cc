#include "model/slow_io.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace ivtrace::model {
namespace {

constexpr double kWindowSeconds = 0.1;
constexpr std::uint64_t kBridgedWindows = 5;
constexpr std::uint64_t kLeastAlone = 20;     // requests of one size
constexpr std::uint64_t kGroupWindows = 5;    // whose requests are one mean of the baseline
constexpr std::uint64_t kLeastRequests = 10;  // of a stretch
constexpr std::uint64_t kLeastWindows = 5;    // slow ones of a stretch
constexpr double kQuantile = 0.25;
constexpr double kOthersNegligible = 0.05;  // of the time at the device
constexpr double kShallow = 2;              // own requests with the device
// When a window, or a stretch, is slow.
constexpr double kTotalGrown = 2;
constexpr double kPartGrown = 3;
constexpr double kPartMatters = 0.5;  // of the baseline of all parts
constexpr double kHeldSeconds = 0.002;
constexpr double kSoftwareSeconds = 0.0005;  // no part of software needs more, whatever its quartile
constexpr double kLongSeconds = 0.02;
constexpr double kServedWhileWaiting = 3;
constexpr double kHostMatters = 0.3;  // of all the time
constexpr double kWaitMattersSeconds = 0.0005;
// When a stretch is two.
constexpr std::ptrdiff_t kLeastPiece = 5;  // windows
constexpr double kPartDiffers = 0.2;       // of all the time
// What a device is given for each byte, on top of what its small requests take: 250 MB/s.
constexpr double kSecondsPerByte = 4e-9;

constexpr auto kHost = static_cast<std::size_t>(IoPart::kHost);
constexpr auto kHandover = static_cast<std::size_t>(IoPart::kHandover);
constexpr auto kBack = static_cast<std::size_t>(IoPart::kBack);
using Parts = std::array<double, kIoParts>;

double ticks_of(HostTsc from, HostTsc until) {
  return until > from ? static_cast<double>(until.value - from.value) : 0;
}

Parts parts_of(const IoRequest& request) {
  Parts parts{};
  for (const IoPhase& phase : request.phases())
    parts[static_cast<std::size_t>(part_of(phase.kind))] += ticks_of(phase.from, phase.until);
  return parts;
}

/// What is expected of one request.
struct Baseline {
  Parts parts{};
  double total = 0;
};

/// Had nobody else the device, and the guest itself not much, while the request was there? Without a tie
/// nobody knows what was there, and every request is as good as any other.
bool was_alone(const IoRequest& request) {
  if (request.host_requests == 0) return true;
  const double stay = ticks_of(request.host_issued, request.host_completed);
  double own = 0;
  double others = 0;
  for (const auto& [owner, load] : request.load.owners)
    (static_cast<std::size_t>(owner.machine) == request.machine ? own : others) += load.request_ticks;
  return others <= kOthersNegligible * stay && own <= kShallow * stay;
}

}  // namespace

IoPart part_of(IoPhaseKind phase) {
  switch (phase) {
    case IoPhaseKind::kGuestQueue:
      return IoPart::kGuest;
    case IoPhaseKind::kToQemu:
    case IoPhaseKind::kVirtqueue:
    case IoPhaseKind::kQemuBlock:
    case IoPhaseKind::kQemuToHost:
    case IoPhaseKind::kToHost:
      return IoPart::kHandover;
    case IoPhaseKind::kQemuCall:
    case IoPhaseKind::kQemuRequest:
    case IoPhaseKind::kHostQueue:
    case IoPhaseKind::kDevice:
      return IoPart::kHost;
    case IoPhaseKind::kQemuCompletion:
    case IoPhaseKind::kQemuNotify:
    case IoPhaseKind::kInterrupt:
    case IoPhaseKind::kToGuest:
    case IoPhaseKind::kGuestCompletion:
    case IoPhaseKind::kReturn:
      return IoPart::kBack;
    case IoPhaseKind::kUnattributed:
      break;
  }
  return IoPart::kUnattributed;
}

const char* to_string(IoBaseline baseline) { return baseline == IoBaseline::kAlone ? "alone" : "service"; }

/// Requests that completed within 100 ms, or within several windows.
struct SlowIoFinder::Window {
  std::uint64_t index = 0;
  HostTsc first_begin;
  HostTsc last_end;
  std::uint64_t requests = 0;
  std::uint64_t bytes = 0;
  double total = 0;
  Parts parts{};
  std::vector<std::uint32_t> sizes;  // requests by their size's class
  std::uint64_t tied = 0;
  std::uint32_t host_device = 0;
  DeviceWork work;
  double stay = 0;
  double slowest_ticks = -1;
  std::uint64_t slowest = 0;

  void add(const IoRequest& request, std::uint64_t number, std::size_t size) {
    const double took = ticks_of(request.begin(), request.end());
    first_begin = requests == 0 ? request.begin() : std::min(first_begin, request.begin());
    last_end = request.end();
    ++requests;
    bytes += request.guest.range.count * kSectorBytes;
    total += took;
    const Parts more = parts_of(request);
    std::transform(parts.begin(), parts.end(), more.begin(), parts.begin(), std::plus<>());
    if (sizes.size() <= size) sizes.resize(size + 1);
    ++sizes[size];
    if (request.host_requests > 0) {
      ++tied;
      host_device = request.host_device;
      work += request.load;
      stay += ticks_of(request.host_issued, request.host_completed);
    }
    if (took <= slowest_ticks) return;
    slowest_ticks = took;
    slowest = number;
  }
  void add(const Window& other) {
    first_begin = requests == 0 ? other.first_begin : std::min(first_begin, other.first_begin);
    last_end = other.last_end;
    requests += other.requests;
    bytes += other.bytes;
    total += other.total;
    std::transform(parts.begin(), parts.end(), other.parts.begin(), parts.begin(), std::plus<>());
    if (sizes.size() < other.sizes.size()) sizes.resize(other.sizes.size());
    std::transform(other.sizes.begin(), other.sizes.end(), sizes.begin(), sizes.begin(), std::plus<>());
    tied += other.tied;
    if (other.tied > 0) host_device = other.host_device;
    work += other.work;
    stay += other.stay;
    if (other.slowest_ticks <= slowest_ticks) return;
    slowest_ticks = other.slowest_ticks;
    slowest = other.slowest;
  }
  /// What the device needed for each request that it finished, whoever's.
  double service() const { return work.requests > 0 ? stay / static_cast<double>(work.requests) : 0; }
};

/// All requests of one size's class.
///
/// Of those that were alone the means of half a second are kept, or of longer, until there are enough: a
/// stretch is judged by its mean, and where some requests always take long, a quartile of single ones lies
/// far below the mean of any stretch.
struct SlowIoFinder::Sizes {
  /// Sums over requests that completed within some windows and were alone.
  struct Group {
    std::uint64_t window = 0;
    double requests = 0;
    double total = 0;
    Parts parts{};
  };
  std::vector<Group> alone;
  std::uint64_t alone_count = 0;
  std::array<Histogram, kIoParts> all;
  Baseline baseline;  ///< once all requests are there

  void add(const IoRequest& request, std::uint64_t window) {
    const Parts parts = parts_of(request);
    for (std::size_t i = 0; i < kIoParts; ++i) all[i].add(static_cast<std::uint64_t>(parts[i]));
    if (!was_alone(request)) return;
    ++alone_count;
    if (alone.empty() || (alone.back().requests >= kLeastAlone &&
                          alone.back().window / kGroupWindows < window / kGroupWindows)) {
      alone.emplace_back();
      alone.back().window = window;
    }
    Group& group = alone.back();
    group.requests += 1;
    group.total += ticks_of(request.begin(), request.end());
    std::transform(group.parts.begin(), group.parts.end(), parts.begin(), group.parts.begin(), std::plus<>());
  }

  bool knows_alone() const { return alone_count >= kLeastAlone; }
  /// Of one request.
  void settle(double ticks_per_second) {
    double excess = 0;
    baseline = {};
    for (std::size_t part = 0; part < kIoParts; ++part) {
      const double quartile = knows_alone()
                                  ? quartile_of([part](const Group& group) { return group.parts[part]; })
                                  : static_cast<double>(all[part].quantile(kQuantile));
      const bool is_software = part == kHandover || part == kBack;
      baseline.parts[part] = is_software ? std::min(quartile, kSoftwareSeconds * ticks_per_second) : quartile;
      excess += quartile - baseline.parts[part];
      baseline.total += baseline.parts[part];
    }
    if (!knows_alone()) return;
    const double quartile = quartile_of([](const Group& group) { return group.total; });
    baseline.total = std::max(quartile - excess, baseline.total);
  }

 private:
  /// The lower quartile of the groups' means; each counts as often as it has requests.
  template <class Sum>
  double quartile_of(Sum&& sum) const {
    std::vector<std::pair<double, double>> means;
    for (const Group& group : alone) means.emplace_back(sum(group) / group.requests, group.requests);
    std::sort(means.begin(), means.end());
    double seen = 0;
    for (const auto& [mean, requests] : means) {
      seen += requests;
      if (seen >= kQuantile * static_cast<double>(alone_count)) return mean;
    }
    return 0;
  }
};

/// Requests of one disk and direction.
struct SlowIoFinder::Series {
  std::optional<std::size_t> disk;
  std::vector<Window> windows;  // by index; those without requests are left out
  std::vector<std::unique_ptr<Sizes>> sizes;

  /// 4 KiB and less, 8 KiB, 16 KiB, …; 128 MiB and more are one. Requests that needed no host request, as the
  /// page cache has what they want, are not comparable with others, and have classes of their own.
  static std::size_t class_of(const IoRequest& request) {
    constexpr std::uint64_t kLeast = 4096;
    constexpr std::size_t kLast = 15;
    const std::uint64_t bytes = request.guest.range.count * kSectorBytes;
    const auto size = std::min<std::size_t>(std::bit_width((std::max(bytes, kLeast) - 1) / kLeast), kLast);
    return request.tie == IoTie::kAddress ? size : kLast + 1 + size;
  }
  void take(const IoRequest& request, std::uint64_t number, std::uint64_t index) {
    const std::size_t size = class_of(request);
    if (sizes.size() <= size) sizes.resize(size + 1);
    if (!sizes[size]) sizes[size] = std::make_unique<Sizes>();
    sizes[size]->add(request, index);
    if (request.disk) disk = request.disk;
    if (windows.empty() || windows.back().index < index) {
      windows.emplace_back();
      windows.back().index = index;
    }
    windows.back().add(request, number, size);
  }

  struct Expected {
    IoBaseline baseline = IoBaseline::kAlone;
    Parts parts{};
    double total = 0;
  };
  Expected expect(const Window& window) const {
    Expected expected;
    std::uint64_t alone = 0;
    for (std::size_t i = 0; i < window.sizes.size(); ++i) {
      if (window.sizes[i] == 0) continue;
      const auto count = static_cast<double>(window.sizes[i]);
      auto [parts, total] = sizes[i]->baseline;
      if (sizes[i]->knows_alone()) {
        alone += window.sizes[i];
      } else if (window.tied > 0 && window.service() < parts[kHost]) {
        total -= parts[kHost] - window.service();
        parts[kHost] = window.service();
      }
      for (std::size_t part = 0; part < kIoParts; ++part) expected.parts[part] += count * parts[part];
      expected.total += count * total;
    }
    if (2 * alone < window.requests) expected.baseline = IoBaseline::kService;
    return expected;
  }

  bool is_slow(const Window& window, double ticks_per_second) const {
    const auto count = static_cast<double>(window.requests);
    if (window.total >= count * kLongSeconds * ticks_per_second) return true;
    if (window.parts[kHandover] + window.parts[kBack] >= count * kHeldSeconds * ticks_per_second) return true;
    const Expected expected = expect(window);
    if (expected.baseline == IoBaseline::kAlone) {
      if (window.total >= kTotalGrown * expected.total) return true;
      for (std::size_t i = 0; i < kIoParts; ++i) {
        if (window.parts[i] >= kPartGrown * expected.parts[i] &&
            window.parts[i] - expected.parts[i] >= kPartMatters * expected.total)
          return true;
      }
      return false;
    }
    const auto tied = static_cast<double>(window.tied);
    return window.stay >= kServedWhileWaiting * tied * window.service() &&
           window.parts[kHost] >= kHostMatters * window.total &&
           window.stay - tied * window.service() >= tied * kWaitMattersSeconds * ticks_per_second;
  }

  using Windows = std::vector<Window>::const_iterator;

  static Window sum(Windows first, Windows last) {
    Window sum;
    std::for_each(first, last, [&](const Window& window) { sum.add(window); });
    return sum;
  }

  /// Where what made requests slow gives way to something else: the parts' means differ most between what is
  /// before and what is behind, one of them by a whole baseline and by a fifth of all the time; `last` when
  /// it is all of one kind.
  Windows turn(Windows first, Windows last) const {
    const Window all = sum(first, last);
    const double whole = expect(all).total / static_cast<double>(all.requests);
    Windows best = last;
    double most = 0;
    Parts before{};
    double sum_before = 0;
    double count = 0;
    for (Windows at = first; last - at > kLeastPiece; ++at) {
      if (at - first >= kLeastPiece) {
        const double rest = static_cast<double>(all.requests) - count;
        double distance = 0;
        bool differs = false;
        for (std::size_t part = 0; part < kIoParts; ++part) {
          const double behind = all.parts[part] - before[part];
          const double more = std::abs(before[part] / count - behind / rest);
          distance += more;
          differs = differs || (more >= whole && std::abs(before[part] / sum_before -
                                                          behind / (all.total - sum_before)) >= kPartDiffers);
        }
        distance *= std::sqrt(count * rest / (count + rest));
        if (differs && distance > most) {
          most = distance;
          best = at;
        }
      }
      std::transform(before.begin(), before.end(), at->parts.begin(), before.begin(), std::plus<>());
      sum_before += at->total;
      count += static_cast<double>(at->requests);
    }
    return best;
  }

  /// Calls `piece` for each part of a stretch that is of one kind.
  template <class Piece>
  void split(Windows first, Windows last, Piece&& piece) const {
    const Windows at = turn(first, last);
    if (at == last) {
      piece(sum(first, last));
      return;
    }
    split(first, at, piece);
    split(at, last, piece);
  }

  /// `cost`: what the host's device usually needs for a request, 0 when not known.
  SlowIo describe(const Window& stretch, const std::map<std::uint32_t, double>& costs,
                  double ticks_per_second) const {
    SlowIo slow;
    const Expected expected = expect(stretch);
    slow.disk = disk;
    slow.from = stretch.first_begin;
    slow.until = stretch.last_end;
    slow.requests = stretch.requests;
    slow.bytes = stretch.bytes;
    slow.total = stretch.total;
    slow.expected = expected.total;
    slow.baseline = expected.baseline;
    slow.parts = stretch.parts;
    for (std::size_t i = 0; i < kIoParts; ++i)
      slow.added[i] = std::max(0.0, stretch.parts[i] - expected.parts[i]);
    slow.work = stretch.work;
    slow.stay = stretch.stay;
    slow.slowest = stretch.slowest;
    if (stretch.tied == 0) return slow;
    slow.host_device = stretch.host_device;
    if (const auto cost = costs.find(stretch.host_device); cost != costs.end() && stretch.work.requests > 0) {
      slow.device_cost =
          stretch.stay / (static_cast<double>(stretch.work.requests) * cost->second +
                          static_cast<double>(stretch.work.bytes) * kSecondsPerByte * ticks_per_second);
    }
    return slow;
  }
};

SlowIoFinder::SlowIoFinder(HostTsc start, double ticks_per_second)
    : start_(start),
      ticks_per_second_(ticks_per_second),
      window_(std::max<std::uint64_t>(static_cast<std::uint64_t>(kWindowSeconds * ticks_per_second), 1)) {}
SlowIoFinder::~SlowIoFinder() = default;

void SlowIoFinder::take(const IoRequest& request, std::uint64_t number) {
  if (request.tie == IoTie::kLost) return;  // what it waited for is not known
  const Key key{request.machine, request.guest.range.device, request.guest.direction};
  if (!series_.contains(key) && !has_room(request.machine)) return;
  const std::uint64_t since = request.end() > start_ ? request.end().value - start_.value : 0;
  std::unique_ptr<Series>& series = series_[key];
  if (!series) series = std::make_unique<Series>();
  series->take(request, number, since / window_);
}

bool SlowIoFinder::has_room(std::size_t machine) const {
  const auto first = series_.lower_bound({machine, 0, IoDirection::kRead});
  const auto last = series_.lower_bound({machine + 1, 0, IoDirection::kRead});
  return static_cast<std::size_t>(std::distance(first, last)) < kMaxSeries;
}

/// What each host device needs for a small request with nobody else there: the least of the guests'
/// baselines. Where no guest was ever alone, the lowest tenth of what it needed per request in a window.
std::map<std::uint32_t, double> SlowIoFinder::usual_costs() const {
  constexpr std::size_t kTenth = 10;
  std::map<std::uint32_t, double> costs;
  std::map<std::uint32_t, std::vector<double>> seen;
  const auto lower = [&costs](std::uint32_t device, double cost) {
    const auto [place, is_new] = costs.emplace(device, cost);
    if (!is_new) place->second = std::min(place->second, cost);
  };
  for (const auto& [key, series] : series_) {
    std::uint32_t device = 0;
    for (const Window& window : series->windows) {
      if (window.work.requests == 0) continue;
      device = window.host_device;
      seen[device].push_back(window.service());
    }
    if (device == 0 || series->sizes.empty() || !series->sizes[0]) continue;
    if (series->sizes[0]->knows_alone()) lower(device, series->sizes[0]->baseline.parts[kHost]);
  }
  for (auto& [device, list] : seen) {
    if (costs.contains(device)) continue;
    const auto place = list.begin() + static_cast<std::ptrdiff_t>(list.size() / kTenth);
    std::nth_element(list.begin(), place, list.end());
    costs[device] = *place;
  }
  return costs;
}

std::vector<SlowIo> SlowIoFinder::find() {
  for (const auto& [key, series] : series_) {
    for (const std::unique_ptr<Sizes>& size : series->sizes) {
      if (size) size->settle(ticks_per_second_);
    }
  }
  const std::map<std::uint32_t, double> costs = usual_costs();
  std::vector<SlowIo> found;
  for (const auto& entry : series_) {
    const Key& key = entry.first;
    const Series& series = *entry.second;
    const auto slow = [&](const Window& window) { return series.is_slow(window, ticks_per_second_); };
    const auto end = series.windows.end();
    for (auto first = std::find_if(series.windows.begin(), end, slow); first != end;) {
      auto last = first;
      std::uint64_t count = 1;
      for (auto next = first + 1; next != end && next->index - last->index <= kBridgedWindows; ++next) {
        if (!slow(*next)) continue;
        last = next;
        ++count;
      }
      series.split(first, last + 1, [&](const Window& stretch) {
        const bool is_long = stretch.slowest_ticks >= static_cast<double>(kLeastWindows * window_);
        const bool lasts = count >= kLeastWindows && stretch.requests >= kLeastRequests;
        if (!(is_long || lasts) || !slow(stretch)) return;
        found.push_back(series.describe(stretch, costs, ticks_per_second_));
        found.back().machine = std::get<0>(key);
        found.back().device = std::get<1>(key);
        found.back().direction = std::get<2>(key);
      });
      first = std::find_if(last + 1, end, slow);
    }
  }
  return found;
}

}  // namespace ivtrace::model
