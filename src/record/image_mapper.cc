#include "record/image_mapper.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <optional>
#include <thread>

#include "base/tsc.h"

namespace ivtrace::record {
namespace {

constexpr const char* kNoAnswer = "its storage does not answer";

}  // namespace

/// What the owner and the lane's thread share; it lives as long as either.
struct ImageMapper::Lane {
  std::mutex mutex;  // guards all below
  std::condition_variable changed;
  std::deque<std::pair<Key, hypervisor::Disk>> waiting;
  std::optional<Key> current;  ///< what the thread is mapping
  Clock::time_point since;     ///< when it began with that
  std::vector<Done> done;
  bool ended = false;  ///< nobody takes results any more
};

Result<hypervisor::ImageMap> ImageMapper::map_image(const hypervisor::Disk& disk) {
  return hypervisor::map_image(disk);
}

void ImageMapper::serve(const std::shared_ptr<Lane>& lane, const MapDisk& map_disk) {
  std::unique_lock lock(lane->mutex);
  while (true) {
    lane->changed.wait(lock, [&] { return lane->ended || !lane->waiting.empty(); });
    if (lane->ended) return;
    const auto [key, disk] = std::move(lane->waiting.front());
    lane->waiting.pop_front();
    lane->current = key;
    lane->since = Clock::now();
    lock.unlock();
    Done done{key, disk, HostTsc(read_tsc()), "", {}, {}};
    if (auto mapped = map_disk(disk)) {
      done.text = hypervisor::image_map_text(*mapped);
      done.gaps = std::move(mapped->gaps);
      done.layers = std::move(mapped->layers);
    } else {
      done.gaps = {mapped.error().to_string()};
    }
    lock.lock();
    lane->current.reset();
    lane->done.push_back(std::move(done));
    lane->changed.notify_all();
  }
}

std::shared_ptr<ImageMapper::Lane> ImageMapper::open_lane() const {
  auto lane = std::make_shared<Lane>();
  std::thread([lane, map_disk = map_disk_] { serve(lane, map_disk); }).detach();
  return lane;
}

ImageMapper::ImageMapper(RunLog& log, Limits limits, MapDisk map_disk)
    : log_(log), limits_(limits), map_disk_(std::move(map_disk)), lane_(open_lane()) {}

ImageMapper::~ImageMapper() { finish(); }

void ImageMapper::add(const std::string& machine, const hypervisor::Disk& disk) {
  const std::lock_guard lock(mutex_);
  if (!lane_) return;
  const auto [known, is_new] = known_.try_emplace(Key(machine, disk.device));
  const hypervisor::Disk& before = known->second.disk;
  if (!is_new && before.path == disk.path && before.format == disk.format) return;
  known->second.disk = disk;
  known->second.hangs = false;
  const std::lock_guard lane_lock(lane_->mutex);
  lane_->waiting.emplace_back(known->first, disk);
  lane_->changed.notify_all();
}

void ImageMapper::collect() {
  const std::lock_guard lock(mutex_);
  if (!lane_) return;
  leave_behind(limits_.one, Clock::time_point());
  take_done();
}

void ImageMapper::finish() {
  const std::lock_guard lock(mutex_);
  if (!lane_) return;
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::nanoseconds(limits_.last.value);
  {
    // What waits for its first time is among those that are mapped now.
    const std::lock_guard lane_lock(lane_->mutex);
    lane_->waiting.clear();
    for (const auto& [key, known] : known_) {
      if (!known.hangs) lane_->waiting.emplace_back(key, known.disk);
    }
    lane_->changed.notify_all();
  }
  // One that hangs may use up half of the time, so that the others have theirs.
  const Nanoseconds half{limits_.last.value / 2};
  bool idle = take_done();
  while (!idle && Clock::now() < end) {
    leave_behind(half, begin);
    {
      std::unique_lock lane_lock(lane_->mutex);
      const auto look_again = std::min(end, Clock::now() + std::chrono::milliseconds(100));
      lane_->changed.wait_until(lane_lock, look_again, [&] { return !lane_->done.empty(); });
    }
    idle = take_done();
  }
  const auto lane = std::exchange(lane_, nullptr);
  const std::lock_guard lane_lock(lane->mutex);
  lane->ended = true;
  lane->changed.notify_all();
  if (lane->current) note_not_mapped(*lane->current, kNoAnswer);
  for (const auto& [key, disk] : lane->waiting) {
    if (lane->current != key) note_not_mapped(key, "there was no time left");
  }
}

bool ImageMapper::take_done() {
  std::vector<Done> done;
  bool idle = false;
  {
    const std::lock_guard lock(lane_->mutex);
    done.swap(lane_->done);
    idle = !lane_->current && lane_->waiting.empty();
  }
  for (Done& one : done) write(std::move(one));
  return idle;
}

void ImageMapper::leave_behind(Nanoseconds limit, Clock::time_point not_before) {
  const auto behind = lane_;
  const std::lock_guard lock(behind->mutex);
  if (!behind->current) return;
  if (Clock::now() - std::max(behind->since, not_before) < std::chrono::nanoseconds(limit.value)) return;
  note_not_mapped(*behind->current, kNoAnswer);
  known_[*behind->current].hangs = true;
  behind->ended = true;
  lane_ = open_lane();
  const std::lock_guard new_lock(lane_->mutex);
  lane_->done = std::move(behind->done);
  for (auto& [key, disk] : behind->waiting) {
    if (key != *behind->current) lane_->waiting.emplace_back(key, std::move(disk));
  }
  lane_->changed.notify_all();
}

void ImageMapper::note_not_mapped(const Key& key, const char* why) {
  log_.note(key.first,
            fmt::format("disk {} was not mapped{}: {}", key.second, known_[key].mapped ? " again" : "", why));
}

// What has not changed is not written again.
void ImageMapper::write(Done done) {
  Known& known = known_[done.key];
  std::string trouble = fmt::format("{}", fmt::join(done.gaps, "; "));
  if (known.mapped && known.path == done.disk.path && known.text == done.text && known.trouble == trouble)
    return;
  const std::string& machine = done.key.first;
  run::ExtentsRecord record{machine, done.key.second, done.tsc, "", std::move(done.gaps)};
  if (!done.text.empty()) {
    if (done.text.size() > log_.space().left() / 4)
      return log_.note(machine, "disk " + record.device + ": no room for where its bytes lie");
    record.file = fmt::format("extents.{}", files_[machine]++);
    if (Status written = log_.writer().write_text(machine, record.file, done.text); !written)
      return log_.note(machine, written.error().message);
    log_.space().add(done.text.size());
  }
  if (!known.mapped && !done.layers.empty()) {
    log_.note(machine, fmt::format("disk {} lies on {}: its requests are followed to the devices below",
                                   record.device, fmt::join(done.layers, ", ")));
  }
  known.mapped = true;
  known.path = done.disk.path;
  known.text = std::move(done.text);
  known.trouble = std::move(trouble);
  log_.put(record);
}

}  // namespace ivtrace::record
