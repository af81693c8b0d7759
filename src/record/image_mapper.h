// Where the guests' disks lie on the host's devices, written into the run while it is recorded.
//
// Storage may hang: an open() or FIEMAP on a dead NFS server never returns, and no signal ends it. So maps
// are computed by a lane, a thread that shares all that it uses and knows nothing of the run; their results
// are written by whoever calls collect() or finish(). A lane that does not come back is left behind, with the
// one disk that it hangs in, and a new one goes on with the others.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "hypervisor/image_map.h"
#include "record/run_log.h"

namespace ivtrace::record {

/// Maps each disk once when it is added, and all again at the end, when what was allocated meanwhile has its
/// place. Thread-safe.
class ImageMapper {
 public:
  /// May block for ever; owns, or shares, all that it uses, since it may outlive the mapper.
  using MapDisk = std::function<Result<hypervisor::ImageMap>(const hypervisor::Disk&)>;
  struct Limits {
    Nanoseconds one{30'000'000'000};   ///< for one disk while recording
    Nanoseconds last{10'000'000'000};  ///< for all that finish() waits
  };

  /// Borrows the log, which only collect() and finish() write to.
  explicit ImageMapper(RunLog& log) : ImageMapper(log, Limits()) {}
  /// `map_disk` is for tests.
  ImageMapper(RunLog& log, Limits limits, MapDisk map_disk = map_image);
  ~ImageMapper();
  ImageMapper(const ImageMapper&) = delete;
  ImageMapper& operator=(const ImageMapper&) = delete;

  /// A disk that is known already is mapped only if its image or its format is another one.
  void add(const std::string& machine, const hypervisor::Disk& disk);
  /// Writes what is mapped by now; never waits for storage that is mapped.
  void collect();
  /// Maps all again, and waits for that within the limit. What was not mapped by then is noted. Once.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  using Key = std::pair<std::string, std::string>;  ///< machine, device
  struct Known {
    hypervisor::Disk disk;
    bool hangs = false;   ///< a lane was left behind with it
    bool mapped = false;  ///< at least once; the rest is what was written last
    std::string path;     ///< of the image
    std::string text;     ///< the extents
    std::string trouble;  ///< the gaps or the error
  };
  struct Done {
    Key key;
    hypervisor::Disk disk;
    HostTsc tsc;
    std::string text;
    std::vector<std::string> gaps;
    std::vector<std::string> layers;
  };
  struct Lane;

  static Result<hypervisor::ImageMap> map_image(const hypervisor::Disk& disk);
  static void serve(const std::shared_ptr<Lane>& lane, const MapDisk& map_disk);
  std::shared_ptr<Lane> open_lane() const;
  // With mutex_ held:
  /// Writes the lane's results; true when it has nothing to do any more.
  bool take_done();
  /// Opens a new lane when the lane's disk took longer than the limit, counted from `not_before` at the
  /// earliest.
  void leave_behind(Nanoseconds limit, Clock::time_point not_before);
  void note_not_mapped(const Key& key, const char* why);
  void write(Done done);

  RunLog& log_;
  const Limits limits_;
  const MapDisk map_disk_;
  std::mutex mutex_;  // guards all below; taken before the lane's
  std::shared_ptr<Lane> lane_;
  std::map<Key, Known> known_;
  std::map<std::string, unsigned> files_;  // made so far in each machine's folder
};

}  // namespace ivtrace::record
