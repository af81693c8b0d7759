// Which of the host's requests for a guest request's bytes serve it.
//
// Not every one that lies within it in time does. For the first write into a cluster of a qcow2 image QEMU
// writes all of the cluster, also the bytes of the guest's other requests; those wait, and then are served
// anew. So what counts is told when the guest's request is over: of the host's requests for the same bytes
// that came one after the other it is the last, and one that is not done yet is for somebody else if all
// bytes are served without it. Copies that were queued together, as a mirror's, all count.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/units.h"
#include "model/block_requests.h"
#include "model/device_load.h"

namespace ivtrace::model {

/// What a host request has of a guest request's bytes.
struct IoPiece {
  std::uint64_t host = 0;  ///< BlockRequest::number
  SectorRange range;       ///< on the guest's device
  std::uint32_t device = 0;
  std::int32_t thread = 0;        ///< that queued it
  std::optional<HostTsc> called;  ///< the system call in which that was
  HostTsc queued;
  HostTsc issued;
  std::optional<HostTsc> completed;
  std::shared_ptr<const DeviceWork> load_before;  ///< of `device`, when it was issued
  std::shared_ptr<const DeviceWork> load_after;   ///< and when it was completed
};

/// The pieces that were found while a guest's request was open. One thread.
class IoPieces {
 public:
  void begin(IoPiece piece);
  void end(std::uint64_t host, HostTsc at, const std::shared_ptr<const DeviceWork>& load);
  /// The host's request went back to its queue: it gave nothing.
  void take_back(std::uint64_t host);
  bool empty() const { return pieces_.empty() && !crowded_; }
  /// Those that serve the request for these sectors, when it is over, in the order in which they were issued.
  /// None when nothing was found, or what was found is not done.
  std::vector<const IoPiece*> serving(const SectorRange& wanted) const;

  static constexpr std::size_t kMaxPieces = 512;  ///< a request that has more is served by none

 private:
  bool is_served_anew(const IoPiece& piece) const;
  bool are_all_served(const SectorRange& wanted) const;

  std::vector<IoPiece> pieces_;
  bool crowded_ = false;
};

}  // namespace ivtrace::model
