// Where the guests' disks lie on the host's devices, written into the run while it is recorded.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "hypervisor/image_map.h"
#include "record/run_log.h"

namespace ivtrace::record {

/// Maps disks in a thread of its own, since a file system or qemu-img may take its time: each once when it is
/// added, and all again at the end, when what was allocated meanwhile has its place. Thread-safe.
class ImageMapper {
 public:
  /// Borrows the log. `options` are for tests.
  explicit ImageMapper(RunLog& log, hypervisor::ImageMapOptions options = {});
  ~ImageMapper();

  /// A disk that is known already is mapped only if its image is another one.
  void add(const std::string& machine, const hypervisor::Disk& disk);
  /// Maps all again and ends the thread; waits for it, bounded by the tool's limit and kLastLimit.
  void finish();

  /// The last maps are begun within so much time.
  static constexpr Nanoseconds kLastLimit{10'000'000'000};

 private:
  struct Known {
    hypervisor::Disk disk;
    std::string file;     ///< the last one's name in the machine's folder
    std::string text;     ///< its content
    std::string trouble;  ///< the last one's gaps or error
  };
  using Key = std::pair<std::string, std::string>;  ///< machine, device

  void work();
  void map_all_again();
  void map(const Key& key, const hypervisor::Disk& disk);

  RunLog& log_;
  const hypervisor::ImageMapOptions options_;
  std::mutex mutex_;  // guards the next three
  std::condition_variable wake_;
  std::vector<std::pair<Key, hypervisor::Disk>> waiting_;
  bool finishing_ = false;
  std::map<Key, Known> known_;             // the thread's own
  std::map<std::string, unsigned> files_;  // made so far in each machine's folder
  std::thread thread_;
};

}  // namespace ivtrace::record
