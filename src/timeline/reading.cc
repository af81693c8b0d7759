#include "timeline/reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "model/vcpu_events.h"
#include "timeline/run_span.h"
#include "timeline/tile_maker.h"

namespace ivtrace::timeline {
namespace {

constexpr unsigned kMaxSpanLog2 = 61;
constexpr unsigned kBinsLog2 = std::countr_zero(kBins);

/// The smallest power of two that is beyond the duration.
unsigned span_log2(std::int64_t duration_ns) {
  const auto needed = static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(duration_ns)));
  return std::clamp(needed, kBinsLog2, kMaxSpanLog2);
}
unsigned base_bin_log2(unsigned span_log2) {
  return span_log2 > kBaseBinsLog2 ? span_log2 - kBaseBinsLog2 : 0;
}

/// Whose rows make the tracks of that kind.
query::RowKind set_of_track(TrackKind kind, bool host) {
  switch (kind) {
    case TrackKind::kVcpu:
      return query::RowKind::kVcpuSlice;
    case TrackKind::kThread:
      return query::RowKind::kQemuSlice;
    case TrackKind::kIrq:
      return query::RowKind::kIrqSlice;
    case TrackKind::kMarks:
    case TrackKind::kCounter:
      return query::RowKind::kMarkSlice;
    case TrackKind::kDisk:
      return host ? query::RowKind::kBlockRequest : query::RowKind::kIoRequest;
    default:
      return query::RowKind::kSchedSlice;
  }
}

}  // namespace

Timeline::Reading::Reading(const run::RunReader& run, const clock::HostClock& clock, query::CacheUse cache,
                           SliceStore store)
    : duration_ns_(run_duration(run, clock)),
      base_log2_(span_log2(duration_ns_)),
      rows_(run, clock, &stop_, row_notices_, cache),
      store_(std::move(store)),
      tracks_(run, store_, base_bin_log2(base_log2_)),
      held_(mutex_, std::defer_lock) {
  for (const model::Vcpu& vcpu : model::run_vcpus(run)) {
    vcpu_threads_.insert(static_cast<std::uint64_t>(vcpu.machine) << 32 |
                         static_cast<std::uint32_t>(vcpu.thread.value));
  }
  rows_.tell(this);
}

Timeline::Reading::~Reading() {
  stop_.store(true, std::memory_order_relaxed);  // Relaxed: it guards nothing else.
  if (thread_.joinable()) thread_.join();
}

void Timeline::Reading::start() {
  thread_ = std::thread([this] { read(); });
}

void Timeline::Reading::read() {
  Status status = read_rows();
  rows_.tell(nullptr);
  hold();
  if (status) status = store_.status();
  if (!status) progress_.failure = status.error().to_string();
  notices_.assign(row_notices_.lines.begin(), row_notices_.lines.end());
  if (tracks_.is_full())
    notices_.push_back(
        fmt::format("there are more than {} tracks: not all are shown", TrackList::kMaxTracks));
  if (status) progress_.switches = progress_.rows = 1;
  progress_.done = true;
  pauses();
}

Status Timeline::Reading::read_rows() {
  rows_.want(query::RowKind::kSchedSlice);
  rows_.want(query::RowKind::kLoss);
  IVT_RETURN_IF_ERROR(rows_.make(query::RowKind::kSchedSlice));
  IVT_RETURN_IF_ERROR(rows_.make(query::RowKind::kLoss));
  hold();
  progress_.switches = 1;
  switches_complete_ = true;
  pauses();
  for (std::size_t i = 0; i < query::kRowKinds; ++i) rows_.want(static_cast<query::RowKind>(i));
  for (std::size_t i = 0; i < query::kRowKinds; ++i) {
    if (query::stopped(&stop_)) return query::interrupted_error();
    IVT_RETURN_IF_ERROR(rows_.make(static_cast<query::RowKind>(i)));
    IVT_RETURN_IF_ERROR(store_.status());
  }
  return {};
}

// What the rows tell.

void Timeline::Reading::begins(query::RowKind set) {
  hold();
  if (set == query::RowKind::kLoss) holes_.clear();
  tracks_.clear([set](const Track& track, bool host) { return set_of_track(track.kind, host) == set; });
}

void Timeline::Reading::pauses() {
  if (held_.owns_lock()) held_.unlock();
}

void Timeline::Reading::walked_to(std::int64_t ns) {
  hold();
  const double share = duration_ns_ > 0 ? static_cast<double>(ns) / static_cast<double>(duration_ns_) : 1;
  double& progress = switches_complete_ ? progress_.rows : progress_.switches;
  progress = std::clamp(share, progress, 1.0);
  pauses();  // readers that wait have their turn now
}

void Timeline::Reading::take(const query::SchedSliceRow& row) {
  hold();
  TrackData* const track = tracks_.cpu(row.machine, row.cpu);
  if (track == nullptr) return;
  const bool is_idle = row.task.tid == 0;
  Slice slice{{row.from_ns, row.until_ns}, 0, 0, row.end == query::SliceEnd::kOpen};
  if (is_idle) {
    slice.category = categories_.add(State::kIdle, -1, model::Task());
  } else if (row.machine != tracks_.host()) {
    slice.category = categories_.add(State::kTask, static_cast<std::int32_t>(row.machine), row.task);
  } else {
    const bool of_host = row.owner < 0 || static_cast<std::size_t>(row.owner) == tracks_.host();
    const State state = of_host                            ? State::kHost
                        : is_vcpu(row.owner, row.task.tid) ? State::kVcpu
                                                           : State::kQemu;
    slice.category =
        categories_.add(state, of_host ? static_cast<std::int32_t>(tracks_.host()) : row.owner, row.task);
  }
  track->add(slice, categories_);
}

/// By whom; of an idle CPU the name says nothing.
std::uint32_t Timeline::Reading::preempted(std::int32_t machine, const model::Task& by) {
  return by.tid > 0 ? categories_.add(State::kPreempted, machine, by)
                    : categories_.add(Mark{State::kPreempted, machine, 0, by.tid});
}

void Timeline::Reading::take(const query::VcpuSliceRow& row, const model::VcpuLane& lane,
                             std::string_view exit) {
  hold();
  TrackData* const track = tracks_.vcpu(lane);
  if (track == nullptr) return;
  Slice slice{{row.from_ns, row.until_ns}, 0, 0, row.open};
  if (row.state == model::VcpuState::kPreempted) {
    slice.category = preempted(row.by_machine, row.by);
  } else {
    const bool has_reason = row.state == model::VcpuState::kExit || row.state == model::VcpuState::kUserspace;
    slice.category =
        categories_.add(Mark{state_of(row.state), -1, has_reason ? categories_.label(exit) : 0, -1});
  }
  track->add(slice, categories_);
}

void Timeline::Reading::take(const query::QemuSliceRow& row) {
  hold();
  TrackData* const track = tracks_.thread(row.machine, row.thread);
  if (track == nullptr) return;
  Slice slice{{row.from_ns, row.until_ns}, 0, 0, row.open};
  slice.category = row.state == model::ThreadState::kPreempted
                       ? preempted(row.by_machine, row.by)
                       : categories_.add(Mark{state_of(row.state), -1, 0, -1});
  track->add(slice, categories_);
}

void Timeline::Reading::take(const query::IrqSliceRow& row, std::string_view name) {
  hold();
  TrackData* const track = tracks_.irq(row.machine, row.cpu);
  if (track == nullptr) return;
  const State state = row.soft ? State::kSoftirq : State::kIrq;
  const std::uint32_t label =
      name.empty() ? categories_.label(std::to_string(row.number)) : categories_.label(name);
  track->add({{row.from_ns, row.until_ns}, categories_.add(Mark{state, -1, label, -1}), 0, false},
             categories_);
}

void Timeline::Reading::take(const query::BlockRequestRow& row, std::uint64_t id) {
  if (row.machine != tracks_.host()) return;  // a guest's is told with its phases
  hold();
  TrackData* const track = tracks_.disk(row.machine, row.device, -1);
  if (track == nullptr) return;
  model::Task task = row.task;
  if (!row.owner_task.name().empty() && row.owner == static_cast<std::int32_t>(tracks_.host()))
    task.comm = row.owner_task.comm;
  Detail detail;
  detail.row = id;
  detail.request = row.request;
  if (row.from_ns < row.issued_ns && row.issued_ns < row.until_ns) {
    detail.phases = 2;
    detail.kinds = {0, 1};
    detail.ends[0] = row.issued_ns;
  } else {
    detail.phases = 1;
    detail.kinds = {static_cast<std::uint8_t>(row.issued_ns < row.until_ns ? 1 : 0)};
  }
  const std::uint32_t category = categories_.add(state_of(row.direction), row.owner, task);
  track->add({{row.from_ns, row.until_ns}, category, 0, false}, categories_, &detail);
}

void Timeline::Reading::take(const query::IoRequestRow& row, std::uint64_t id,
                             std::span<const query::IoPhaseRow> phases) {
  hold();
  TrackData* const track = tracks_.disk(row.machine, row.device, row.disk);
  if (track == nullptr) return;
  Detail detail;
  detail.row = id;
  for (const query::IoPhaseRow& phase : phases.first(std::min(phases.size(), Detail::kMaxPhases))) {
    const std::size_t at = detail.phases++;
    detail.kinds[at] = static_cast<std::uint8_t>(phase.kind);
    if (at < detail.ends.size()) detail.ends[at] = phase.until_ns;
  }
  const std::uint32_t category =
      categories_.add(state_of(row.direction), static_cast<std::int32_t>(row.machine), row.task);
  track->add({{row.from_ns, row.until_ns}, category, 0, false}, categories_, &detail);
}

void Timeline::Reading::take(const query::MarkSliceRow& row, std::string_view name) {
  hold();
  TrackData* const track = tracks_.marks(row.machine, row.tgid, row.tid);
  if (track == nullptr) return;
  // What lies within a slice is drawn below it.
  const auto lane = static_cast<std::uint16_t>(std::min<std::uint32_t>(row.depth, Lanes::kMax - 1));
  const Mark mark{State::kSlice, static_cast<std::int32_t>(row.machine), categories_.label(name), row.tid};
  track->add({{row.from_ns, row.until_ns}, categories_.add(mark), lane, row.open}, categories_);
}

void Timeline::Reading::take(const query::MarkInstantRow& row, std::string_view name) {
  hold();
  TrackData* const track = tracks_.marks(row.machine, row.tgid, row.tid);
  if (track == nullptr) return;
  const Mark mark{State::kInstant, static_cast<std::int32_t>(row.machine), categories_.label(name), row.tid};
  track->add({{row.from_ns, row.until_ns}, categories_.add(mark), 0, false}, categories_);
}

void Timeline::Reading::take(const query::MarkCounterRow& row, std::string_view name) {
  hold();
  TrackData* const track = tracks_.counter(row.machine, row.tgid, row.name, name);
  if (track == nullptr) return;
  Detail detail;
  detail.value = row.value;
  const Mark mark{State::kValue, static_cast<std::int32_t>(row.machine), 0, -1};
  track->add({{row.from_ns, row.until_ns}, categories_.add(mark), 0, row.open}, categories_, &detail);
}

void Timeline::Reading::take(const query::LossRow& row) {
  hold();
  holes_.add(row);
}

// What is asked.

Progress Timeline::Reading::progress() const {
  const std::shared_lock lock = look();
  return progress_;
}
std::vector<std::string> Timeline::Reading::notices() const {
  const std::shared_lock lock = look();
  return notices_;
}
std::vector<Track> Timeline::Reading::tracks() const {
  const std::shared_lock lock = look();
  std::vector<Track> tracks = tracks_.in_order();
  // A guest whose scheduler was not recorded has none to show.
  if (switches_complete_) {
    std::erase_if(tracks, [this](const Track& track) {
      return track.kind == TrackKind::kTask && track.aligned && tracks_[track.id].slices.size() == 0;
    });
  }
  return tracks;
}

bool Timeline::Reading::is_complete(TrackKind kind) const {
  const bool by_switches = kind == TrackKind::kCpu || kind == TrackKind::kTask;
  return progress_.done || (by_switches && switches_complete_);
}

/// A thread may have been on any of the host's CPUs, a request's events on any of its machine's.
Holes::Bins Timeline::Reading::hole_bins(const Track& track, TileSpan span) const {
  const auto host = static_cast<std::uint32_t>(tracks_.host());
  switch (track.kind) {
    case TrackKind::kVcpu:
    case TrackKind::kThread:
      return holes_.bins(host, std::nullopt, span.begin, span.bin_log2);
    case TrackKind::kDisk:
    case TrackKind::kMarks:
    case TrackKind::kCounter:
      return holes_.bins(track.machine, std::nullopt, span.begin, span.bin_log2);
    default:
      return holes_.bins(track.machine, static_cast<std::uint32_t>(track.number), span.begin, span.bin_log2);
  }
}

Result<std::vector<TileTrack>> Timeline::Reading::tiles(TileKey key, std::span<const std::uint32_t> tracks,
                                                        query::StopFlag stop) const {
  if (key.level > kMaxLevel || base_log2_ - kBinsLog2 < key.level)
    return Error(ErrorCode::kInvalid, fmt::format("there is no level {} of tiles", key.level));
  if (key.index >> key.level != 0)
    return Error(ErrorCode::kInvalid, fmt::format("level {} has no tile {}", key.level, key.index));
  const unsigned tile_log2 = base_log2_ - key.level;
  const TileSpan span{static_cast<std::int64_t>(key.index << tile_log2), tile_log2 - kBinsLog2};
  std::vector<TileTrack> tiles;
  for (const std::uint32_t id : tracks) {
    if (query::stopped(stop)) return query::interrupted_error();
    const std::shared_lock lock = look();
    if (id >= tracks_.size()) return Error(ErrorCode::kInvalid, fmt::format("there is no track {}", id));
    const TrackData& data = tracks_[id];
    IVT_ASSIGN_OR_RETURN(TileTrack tile, make_tile(data, categories_, span, stop));
    tile.complete = is_complete(data.track.kind);
    tile.holes = holes_of(hole_bins(data.track, span), span.begin, span.bin_log2);
    tiles.push_back(std::move(tile));
  }
  return tiles;
}

}  // namespace ivtrace::timeline
