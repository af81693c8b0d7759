#include "model/io_times.h"

#include <algorithm>
#include <tuple>

#include "model/io_path.h"

namespace ivtrace::model {
namespace {

/// The n slowest of all that are offered, in bounded memory.
class Slowest {
 public:
  explicit Slowest(std::size_t wanted) : wanted_(wanted) {}
  void offer(const IoRequest& request) {
    if (wanted_ == 0 || (kept_.size() == wanted_ && took(request) <= took(kept_.front()))) return;
    if (kept_.size() == wanted_) {
      std::pop_heap(kept_.begin(), kept_.end(), slower);
      kept_.pop_back();
    }
    kept_.push_back(request);
    std::push_heap(kept_.begin(), kept_.end(), slower);
  }
  std::vector<IoRequest> take() {
    std::sort_heap(kept_.begin(), kept_.end(), slower);
    return std::move(kept_);
  }

 private:
  static std::uint64_t took(const IoRequest& request) { return request.end().value - request.begin().value; }
  static bool slower(const IoRequest& a, const IoRequest& b) { return took(a) > took(b); }

  std::size_t wanted_;
  std::vector<IoRequest> kept_;  // a heap with the quickest first
};

void add(IoGroup& group, const IoRequest& request) {
  const std::uint64_t took = request.end().value - request.begin().value;
  group.bytes += request.guest.range.count * kSectorBytes;
  ++group.ties[static_cast<std::size_t>(request.tie)];
  group.total += took;
  if (took >= group.times.max()) group.longest_at = request.begin();
  group.times.add(took);
  for (const IoPhase& phase : request.phases()) {
    IoPhaseTimes& times = group.phases[static_cast<std::size_t>(phase.kind)];
    const std::uint64_t ticks = phase.until.value - phase.from.value;
    times.total += ticks;
    if (ticks >= times.times.max()) times.longest_at = phase.from;
    times.times.add(ticks);
  }
  group.load += request.load;
}

/// One pass.
class Reader {
 public:
  Reader(const run::RunReader& run, const IoTimesOptions& options)
      : run_(run), options_(options), slowest_(options.slowest) {}

  Result<IoTimes> read(const LostRanges& lost) {
    // From the run's start on: a request that completes within the range may have begun before it.
    merge::Filter filter;
    filter.range.until = options_.range.until;
    IVT_ASSIGN_OR_RETURN(merge::RunEvents events, merge::RunEvents::open(run_, filter));
    IoPath path(run_, events, lost, [&](const IoRequest& request) { take(request); });
    if (!path.recorded()) {
      return Error(ErrorCode::kNotFound, "the run does not have block requests of both a guest and the host",
                   "record with --profile io or all, and the agent running in the guest");
    }
    IoTimes times;
    times.walk = walk(run_, events, [&](const merge::MergedEvent& event) { path.look(event); });
    for (auto& [key, group] : groups_) times.groups.push_back(std::move(group));
    times.slowest = slowest_.take();
    for (std::size_t i = 0; i < run_.machines().size(); ++i) {
      if (is_wanted(i)) times.unfinished += path.unfinished(i);
    }
    const auto& problems = path.disks().problems();
    times.walk.notices.insert(times.walk.notices.end(), problems.begin(), problems.end());
    if (left_out_ > 0) {
      times.walk.notices.push_back(std::to_string(left_out_) +
                                   " requests are left out: they are on more than " +
                                   std::to_string(IoTimesOptions::kMaxGroups) + " devices");
    }
    return times;
  }

 private:
  using Key = std::tuple<std::size_t, std::uint32_t, IoDirection>;

  bool is_wanted(std::size_t machine) const {
    const auto& wanted = options_.machines;
    const std::string& name = run_.machines()[machine].info.name;
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end();
  }

  void take(const IoRequest& request) {
    if (!is_wanted(request.machine) || request.end() < options_.range.from) return;
    const Key key{request.machine, request.guest.range.device, request.guest.direction};
    if (groups_.size() >= IoTimesOptions::kMaxGroups && !groups_.contains(key)) {
      ++left_out_;
      return;
    }
    IoGroup& group = groups_[key];
    group.machine = request.machine;
    group.device = request.guest.range.device;
    group.direction = request.guest.direction;
    if (request.disk) group.disk = request.disk;
    add(group, request);
    slowest_.offer(request);
  }

  const run::RunReader& run_;
  const IoTimesOptions& options_;
  Slowest slowest_;
  std::map<Key, IoGroup> groups_;
  std::uint64_t left_out_ = 0;
};

}  // namespace

Result<IoTimes> measure_io(const run::RunReader& run, const IoTimesOptions& options) {
  return read_knowing_losses([&](const LostRanges& lost) { return Reader(run, options).read(lost); });
}

}  // namespace ivtrace::model
