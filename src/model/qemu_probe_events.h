// What the probe pack for QEMU (docs/probes.md) tells of a disk request: that it entered QEMU's block layer,
// that it was pushed back into its virtqueue, and that the guest was notified.
//
// Source: QEMU's include/sysemu/block-backend-io.h, include/hw/virtio/virtio.h; hw/block/virtio-blk.c gives
// the block layer its VirtIOBlockReq as the callback's argument, whose first member is the element that it
// pushes later: one address for both.
#pragma once

#include <cstdint>
#include <vector>

#include "decode/field.h"
#include "decode/format_file.h"
#include "decode/integer_reader.h"
#include "model/block_events.h"

namespace ivtrace::model {

/// Recognises the pack's events, of each QEMU program that was probed. Constant after construction; borrows
/// the formats. Any thread.
class QemuProbeEvents {
 public:
  /// `formats`: the host's; may be nullptr or lack events, or some fields: those are then never seen.
  explicit QemuProbeEvents(const decode::FormatTable* formats);

  enum class Step : std::uint8_t { kOther, kEnter, kPush, kNotify };
  /// Addresses are of the QEMU process that the thread belongs to, and say only which is which.
  struct Seen {
    Step step = Step::kOther;
    IoDirection direction = IoDirection::kOther;  ///< kEnter
    std::int32_t thread = 0;
    std::uint64_t request = 0;  ///< kEnter and kPush: its address; used again when it is over
    std::uint64_t backend = 0;  ///< kEnter: the disk's
    std::uint64_t offset = 0;   ///< kEnter, but of a flush: in bytes on the guest's disk
    std::uint64_t bytes = 0;    ///< kEnter: as offset; kPush: that were written into the guest's memory
    std::uint64_t queue = 0;    ///< kPush and kNotify: the virtqueue's address
  };
  Seen look(std::uint16_t id, decode::RecordBytes record) const {
    if (known_.empty() || id < known_.front().id) return {};
    for (const Known& known : known_) {
      if (known.id == id) return read(known, record);
    }
    return {};
  }
  /// Do the formats have what tells of a request's entering?
  bool recorded() const { return recorded_; }

 private:
  struct Known {
    std::uint16_t id = 0;
    Step step = Step::kOther;
    IoDirection direction = IoDirection::kOther;
    decode::IntegerReader request, backend, offset, bytes, queue;
  };
  static bool is_usable(const Known& known);
  static Seen read(const Known& known, decode::RecordBytes record);

  std::vector<Known> known_;  ///< by rising id
  bool recorded_ = false;
};

}  // namespace ivtrace::model
