// When a guest's disk was slow, in which part of its requests' way, and who else had the device meanwhile.
//
// Requests of one disk and direction are put into windows of 100 ms by their completion. What they would have
// taken, had nobody been in their way, is the victim's own baseline, per size (powers of two), and apart for
// those that needed no host request. It is told by the requests during which others had next to nothing with
// the device and the guest itself at most two: the lower quartile of their means over each half second, or
// longer, until there are 20. Means, as some requests always take long, and a stretch is judged by its mean
// too; a quartile, as a disk may be slow with nobody else there for half of a run. Where there are fewer than
// 20 such requests of a size, nobody knows how it would be alone; the baseline of the host's part is then
// what the device needed per request meanwhile, whoever's it was, and the lower quartile of all for the other
// parts.
//
// A window is slow when its requests took twice the baseline in all, or one part three times its own and half
// of the baseline more; and whatever the baseline, when software held each request for 2 ms, or a request
// took 20 ms, or the device finished three and more while one waited. Slow windows less than 0.5 s apart are
// one stretch, if it is slow as a whole too.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <vector>

#include "base/units.h"
#include "model/histogram.h"
#include "model/io_request.h"

namespace ivtrace::model {

/// Who has the request: phases of one layer.
enum class IoPart : std::uint8_t {
  kGuest,         ///< guest_queue
  kHandover,      ///< to_qemu, virtqueue, qemu_block, qemu_to_host, to_host
  kHost,          ///< qemu_call, qemu_request, host_queue, device
  kBack,          ///< qemu_completion, qemu_notify, interrupt, to_guest, guest_completion, return
  kUnattributed,  ///< unattributed
};
inline constexpr std::size_t kIoParts = 5;
IoPart part_of(IoPhaseKind phase);

/// What a stretch is compared with.
enum class IoBaseline : std::uint8_t {
  kAlone,    ///< the guest's own requests with the device to itself
  kService,  ///< what the device needed per request meanwhile
};
const char* to_string(IoBaseline baseline);

/// A stretch in which requests of one disk and direction were slow. Times in host ticks; sums over requests.
struct SlowIo {
  std::size_t machine = 0;
  std::optional<std::size_t> disk;  ///< index in Machine::disks
  std::uint32_t device = 0;         ///< the guest's number of it
  IoDirection direction = IoDirection::kRead;
  HostTsc from;
  HostTsc until;
  std::uint64_t requests = 0;
  std::uint64_t bytes = 0;
  double total = 0;
  double expected = 0;  ///< by the baseline
  IoBaseline baseline = IoBaseline::kAlone;
  std::array<double, kIoParts> parts{};  ///< of total
  std::array<double, kIoParts> added{};  ///< to the baseline; never negative
  std::uint32_t host_device = 0;         ///< 0: none was tied
  DeviceWork work;  ///< of the host's device while these requests were with it, each request's stay counted
  double stay = 0;  ///< for how long they were
  double device_cost = 0;     ///< how many times what it usually needs the device needed; 0: not known
  std::uint64_t slowest = 0;  ///< number of the slowest request, as given to take()
};

/// Looks at all requests of a run, in the order of their completion. One thread. Memory: some 300 bytes for
/// each window of each series, and 40 KB for each size of request that a series has.
class SlowIoFinder {
 public:
  /// `start` and `ticks_per_second`: of the run, on the host's clock.
  SlowIoFinder(HostTsc start, double ticks_per_second);
  ~SlowIoFinder();

  void take(const IoRequest& request, std::uint64_t number);
  /// By machine, device and direction, then by time.
  std::vector<SlowIo> find();

  /// Of each guest. Devices are its word: of further ones nothing is told.
  static constexpr std::size_t kMaxSeries = 64;

 private:
  struct Window;
  struct Sizes;
  struct Series;
  using Key = std::tuple<std::size_t, std::uint32_t, IoDirection>;

  bool has_room(std::size_t machine) const;
  std::map<std::uint32_t, double> usual_costs() const;

  HostTsc start_;
  double ticks_per_second_;
  std::uint64_t window_;
  std::map<Key, std::unique_ptr<Series>> series_;
};

}  // namespace ivtrace::model
