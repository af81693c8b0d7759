#include "record/image_mapper.h"

#include <fmt/ranges.h>

#include <chrono>

#include "base/tsc.h"

namespace ivtrace::record {

ImageMapper::ImageMapper(RunLog& log, hypervisor::ImageMapOptions options)
    : log_(log), options_(std::move(options)), thread_([this] { work(); }) {}

ImageMapper::~ImageMapper() { finish(); }

void ImageMapper::add(const std::string& machine, const hypervisor::Disk& disk) {
  const std::lock_guard lock(mutex_);
  waiting_.emplace_back(Key(machine, disk.device), disk);
  wake_.notify_one();
}

void ImageMapper::finish() {
  {
    const std::lock_guard lock(mutex_);
    finishing_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void ImageMapper::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return finishing_ || !waiting_.empty(); });
    if (finishing_) break;
    const auto disks = std::exchange(waiting_, {});
    lock.unlock();
    for (const auto& [key, disk] : disks) {
      const auto known = known_.find(key);
      if (known == known_.end() || known->second.disk.path != disk.path) map(key, disk);
    }
    lock.lock();
  }
  const auto never_mapped = std::exchange(waiting_, {});
  lock.unlock();
  for (const auto& [key, disk] : never_mapped) known_.try_emplace(key, Known{disk, "", "", ""});
  map_all_again();
}

void ImageMapper::map_all_again() {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::nanoseconds(kLastLimit.value);
  for (const auto& [key, known] : known_) {
    if (std::chrono::steady_clock::now() > give_up)
      return log_.note(key.first, "disk " + key.second + " was not mapped again: that took too long");
    map(key, hypervisor::Disk(known.disk));
  }
}

// What has not changed is not written again.
void ImageMapper::map(const Key& key, const hypervisor::Disk& disk) {
  run::ExtentsRecord record{key.first, key.second, HostTsc(read_tsc()), "", {}};
  std::string text;
  if (auto mapped = hypervisor::map_image(disk, options_)) {
    text = hypervisor::image_map_text(*mapped);
    record.gaps = std::move(mapped->gaps);
  } else {
    record.gaps = {mapped.error().to_string()};
  }
  Known& known = known_[key];
  const std::string trouble = fmt::format("{}", fmt::join(record.gaps, "; "));
  const bool same = known.disk.path == disk.path && known.text == text && known.trouble == trouble &&
                    (!known.file.empty() || !trouble.empty());
  known.disk = disk;
  if (same) return;
  known.trouble = trouble;
  if (!text.empty()) {
    if (text.size() > log_.space().left() / 4)
      return log_.note(key.first, "disk " + key.second + ": no room for where its bytes lie");
    record.file = fmt::format("extents.{}", files_[key.first]++);
    if (Status written = log_.writer().write_text(key.first, record.file, text); !written)
      return log_.note(key.first, written.error().message);
    log_.space().add(text.size());
  }
  known.file = record.file;
  known.text = std::move(text);
  log_.put(record);
}

}  // namespace ivtrace::record
