#include "timeline/track_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

#include "model/vcpu_events.h"

namespace ivtrace::timeline {
namespace {

constexpr std::uint32_t kMaxCpus = 4096;  // numbers come from file names

constexpr unsigned kCounterBits = 17;  // of a counter's number are its name's, the others its process'

bool has_lanes(TrackKind kind) { return kind == TrackKind::kDisk || kind == TrackKind::kIrq; }

std::string vcpu_name(const model::VcpuLane& lane) {
  if (lane.vcpus.size() == 1) return fmt::format("vCPU {}", lane.vcpus.front().index);
  const auto range = std::ranges::minmax(lane.vcpus, {}, &model::Vcpu::index);
  return fmt::format("vCPUs {}-{}", range.min.index, range.max.index);
}

std::string device_number(std::uint32_t device) {
  return fmt::format("{}:{}", device >> 20, device & 0xfffff);
}

/// What tracks stand by, within their machine.
using Place = std::tuple<int, std::int64_t, int, std::int64_t>;
Place place_of(const Track& track, bool host) {
  constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();
  switch (track.kind) {
    case TrackKind::kCpu:
      return {0, track.number, 0, 0};
    case TrackKind::kVcpu:
      return {0, track.number, 0, 0};
    case TrackKind::kTask:
      return {0, track.vcpu.value_or(kLast), 1, track.number};
    case TrackKind::kDisk:
      return {1, track.number, 0, 0};
    case TrackKind::kIrq:
      return {2, track.number, 0, 0};
    case TrackKind::kThread:
      return {host ? 0 : 3, track.number, 0, 0};
    case TrackKind::kMarks:
      return {4, track.number, 0, 0};
    case TrackKind::kCounter:
      return {4, track.number >> kCounterBits, 1, track.number};
  }
  return {5, 0, 0, 0};
}

}  // namespace

const char* to_string(TrackKind kind) {
  switch (kind) {
    case TrackKind::kCpu:
      return "cpu";
    case TrackKind::kVcpu:
      return "vcpu";
    case TrackKind::kTask:
      return "task";
    case TrackKind::kDisk:
      return "disk";
    case TrackKind::kIrq:
      return "irq";
    case TrackKind::kThread:
      return "thread";
    case TrackKind::kMarks:
      return "marks";
    case TrackKind::kCounter:
      return "counter";
  }
  return "";
}

TrackData::TrackData(Track the_track, SliceStore& the_store, unsigned bin_log2)
    : track(std::move(the_track)),
      store(the_store),
      series(track.kind != TrackKind::kDisk),
      bins(bin_log2),
      values(track.kind == TrackKind::kCounter ? std::make_unique<ValueBins>(bin_log2) : nullptr),
      slices(the_store, has_details(track.kind)) {}

void TrackData::add(const Slice& slice, const Categories& categories, const Detail* detail) {
  // Times that nobody can have meant must not become negative lengths when they are added and shifted.
  constexpr std::int64_t kFar = std::int64_t{1} << 61;
  Slice kept = slice;
  kept.from_ns = std::clamp(slice.from_ns, -kFar, kFar);
  kept.until_ns = std::clamp(slice.until_ns, kept.from_ns, kFar);
  if (has_lanes(track.kind)) {
    kept.lane = lanes.place(kept);
    track.lanes = lanes.count();
  } else {
    track.lanes = std::max<std::uint32_t>(track.lanes, kept.lane + 1u);
  }
  const std::uint16_t of = series.of(kept.category, categories);
  bins.add(of, kept);
  if (values != nullptr && detail != nullptr) values->add(detail->value, kept);
  slices.add(kept, of, detail);
}

void TrackData::clear() {
  series = SeriesList(track.kind != TrackKind::kDisk);
  bins = BaseBins(bins.bin_log2());
  if (values != nullptr) values = std::make_unique<ValueBins>(bins.bin_log2());
  std::destroy_at(&slices);
  std::construct_at(&slices, store, has_details(track.kind));
  lanes = {};
  track.lanes = 1;
}

TrackList::TrackList(const run::RunReader& run, SliceStore& store, unsigned bin_log2)
    : run_(run),
      store_(store),
      bin_log2_(bin_log2),
      host_(model::host_machine(run)),
      lanes_(model::vcpu_lanes(run, false)),
      clocks_(run.machines().size()),
      cpus_(run.machines().size()) {
  for (std::size_t i = 0; i < run.machines().size(); ++i) {
    for (const clock::Epoch& epoch : run.machines()[i].epochs) {
      if (!clocks_[i].add(epoch)) continue;  // the merge tells of it
    }
  }
  for (std::size_t i = 0; i < run.machines().size(); ++i) add_known(static_cast<std::uint32_t>(i));
}

/// So that the page has its rows before the first slice is there.
void TrackList::add_known(std::uint32_t machine) {
  for (const model::VcpuLane& lane : lanes_) {
    if (lane.vcpus.front().machine == machine) vcpu(lane);
  }
  std::set<std::uint32_t> cpus;
  for (const run::PagesFile& file : run_.machines()[machine].files) {
    if (file.buffer.empty()) cpus.insert(file.cpu);
  }
  for (const std::uint32_t number : cpus) cpu(machine, number);
}

bool TrackList::is_aligned(std::uint32_t machine, std::optional<std::uint32_t> cpu) const {
  if (machine == host_) return true;
  return cpu ? clocks_[machine].aligned(CpuId(*cpu)) : clocks_[machine].aligned();
}

TrackData* TrackList::find(const Key& key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : found->second;
}

TrackData* TrackList::add(const Key& key, Track track) {
  const bool of_marks = std::get<0>(key) == TrackKind::kMarks || std::get<0>(key) == TrackKind::kCounter;
  if (tracks_.size() >= kMaxTracks || (of_marks && mark_tracks_++ >= kMaxMarkTracks)) {
    full_ = true;
    return nullptr;
  }
  track.id = static_cast<std::uint32_t>(tracks_.size());
  track.kind = std::get<0>(key);
  track.machine = std::get<1>(key);
  track.number = std::get<2>(key);
  tracks_.push_back(std::make_unique<TrackData>(std::move(track), store_, bin_log2_));
  by_key_.emplace(key, tracks_.back().get());
  return tracks_.back().get();
}

TrackData* TrackList::cpu(std::uint32_t machine, std::uint32_t cpu) {
  std::vector<TrackData*>& known = cpus_[machine];
  if (cpu < known.size() && known[cpu] != nullptr) return known[cpu];
  TrackData* const track = add_cpu(machine, cpu);
  if (track != nullptr && cpu < kMaxCpus) {
    if (cpu >= known.size()) known.resize(cpu + 1u);
    known[cpu] = track;
  }
  return track;
}

TrackData* TrackList::add_cpu(std::uint32_t machine, std::uint32_t cpu) {
  const Key key(machine == host_ ? TrackKind::kCpu : TrackKind::kTask, machine, cpu);
  if (TrackData* const known = find(key)) return known;
  Track track;
  track.name = fmt::format("CPU {}", cpu);
  track.aligned = is_aligned(machine, cpu);
  if (machine != host_) {
    for (const model::VcpuLane& lane : lanes_) {
      for (const model::Vcpu& vcpu : lane.vcpus) {
        if (vcpu.machine == machine && vcpu.cpu == CpuId(cpu)) track.vcpu = vcpu.index;
      }
    }
  }
  return add(key, std::move(track));
}

TrackData* TrackList::vcpu(const model::VcpuLane& lane) {
  const model::Vcpu& first = lane.vcpus.front();
  // Several in turns: only their thread tells such lanes apart.
  const std::int64_t number = lane.vcpus.size() == 1 ? first.index : -1 - std::int64_t{first.thread.value};
  const Key key(TrackKind::kVcpu, static_cast<std::uint32_t>(first.machine), number);
  if (TrackData* const known = find(key)) return known;
  Track track;
  track.name = vcpu_name(lane);
  TrackData* const added = add(key, std::move(track));
  if (added != nullptr) added->track.number = std::max<std::int64_t>(number, -1);
  return added;
}

TrackData* TrackList::disk(std::uint32_t machine, std::uint32_t device, std::int32_t disk) {
  const Key key(TrackKind::kDisk, machine, device);
  TrackData* known = find(key);
  if (known == nullptr) {
    Track track;
    track.name = "disk " + device_number(device);
    track.aligned = is_aligned(machine, std::nullopt);
    known = add(key, std::move(track));
  }
  // A tie tells later which of the guest's disks it is.
  const auto& disks = run_.machines()[machine].disks;
  if (known != nullptr && disk >= 0 && static_cast<std::size_t>(disk) < disks.size() &&
      known->track.name.starts_with("disk "))
    known->track.name = disks[static_cast<std::size_t>(disk)].device + " " + device_number(device);
  return known;
}

TrackData* TrackList::irq(std::uint32_t machine, std::uint32_t cpu) {
  const Key key(TrackKind::kIrq, machine, cpu);
  if (TrackData* const known = find(key)) return known;
  Track track;
  track.name = fmt::format("CPU {} interrupts", cpu);
  track.aligned = is_aligned(machine, cpu);
  return add(key, std::move(track));
}

TrackData* TrackList::thread(std::uint32_t machine, const model::Task& thread) {
  const Key key(TrackKind::kThread, machine, thread.tid);
  TrackData* known = find(key);
  if (known == nullptr) known = add(key, {});
  if (known == nullptr || (!known->track.name.empty() && known->slices.size() > 0 && thread.name().empty()))
    return known;
  const std::string number = std::to_string(thread.tid);
  const bool is_named = known->track.name.starts_with(thread.name()) &&
                        known->track.name.size() == thread.name().size() + 1 + number.size();
  if (!is_named) known->track.name = std::string(thread.name()) + " " + number;
  return known;
}

TrackData* TrackList::marks(std::uint32_t machine, std::int32_t tgid, std::int32_t tid) {
  const Key key(TrackKind::kMarks, machine, std::int64_t{tid});
  if (TrackData* const known = find(key)) return known;
  Track track;
  track.name =
      tgid == tid || tgid == 0 ? fmt::format("marks of {}", tid) : fmt::format("marks of {}/{}", tgid, tid);
  track.aligned = is_aligned(machine, std::nullopt);
  return add(key, std::move(track));
}

TrackData* TrackList::counter(std::uint32_t machine, std::int32_t tgid, std::uint32_t name,
                              std::string_view text) {
  const Key key(TrackKind::kCounter, machine, std::int64_t{tgid} << kCounterBits | name);
  if (TrackData* const known = find(key)) return known;
  Track track;
  track.name = std::string(text) + (tgid == 0 ? "" : " " + std::to_string(tgid));
  track.aligned = is_aligned(machine, std::nullopt);
  return add(key, std::move(track));
}

std::vector<Track> TrackList::in_order() const {
  std::vector<Track> tracks;
  for (const auto& each : tracks_) tracks.push_back(each->track);
  std::ranges::stable_sort(tracks, {}, [this](const Track& track) {
    const bool guest = track.machine != host_;
    return std::tuple(guest, track.machine, place_of(track, !guest));
  });
  return tracks;
}

}  // namespace ivtrace::timeline
