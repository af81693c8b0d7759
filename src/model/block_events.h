// The block layer's events of one machine: a request is queued, given to its driver, and done.
//
// Source: include/trace/events/block.h. A device is the kernel's dev_t (major << 20 | minor), a sector has
// 512 bytes and counts from the whole device's start.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "decode/field.h"
#include "decode/format_file.h"
#include "decode/integer_reader.h"
#include "model/sched_events.h"

namespace ivtrace::model {

inline constexpr std::uint64_t kSectorBytes = 512;

enum class IoDirection : std::uint8_t { kRead, kWrite, kFlush, kDiscard, kOther };
const char* to_string(IoDirection direction);
/// From the kernel's letters (blk_fill_rwbs): "R", "WS", "FWS", "FF", "DS", …
IoDirection direction_of(std::string_view rwbs);

/// Sectors [first, first + count) of a device.
struct SectorRange {
  std::uint32_t device = 0;
  std::uint64_t first = 0;
  std::uint32_t count = 0;

  std::uint64_t end() const { return first + count; }
  bool overlaps(const SectorRange& other) const {
    return device == other.device && first < other.end() && other.first < end();
  }
};

/// Recognises block_bio_queue, block_bio_remap, block_rq_insert, block_rq_issue, block_rq_requeue and
/// block_rq_complete.
/// Constant after construction; borrows the formats. Any thread.
class BlockEvents {
 public:
  /// `formats` may be nullptr or lack events: those are then never seen.
  explicit BlockEvents(const decode::FormatTable* formats);

  enum class Step { kOther, kQueue, kRemap, kInsert, kIssue, kRequeue, kComplete };
  struct Seen {
    Step step = Step::kOther;
    SectorRange range;
    SectorRange above;  ///< kRemap: what `range` is on the device from which it was passed on
    IoDirection direction = IoDirection::kOther;
    Task task;  ///< that queued or issued; its name when the event has it
  };
  Seen look(std::uint16_t id, decode::RecordBytes record) const {
    for (const Known& known : known_) {
      if (known.id == id && known.usable) return read(known, record);
    }
    return {};
  }
  /// Are requests seen from their issue to their completion?
  bool recorded() const;

 private:
  struct Known {
    bool usable = false;
    std::uint16_t id = 0;
    Step step = Step::kOther;
    decode::IntegerReader device, sector, count;
    const decode::Field* rwbs = nullptr;
    const decode::Field* comm = nullptr;
    decode::IntegerReader old_device;
    decode::IntegerReader old_sector;
  };
  static Seen read(const Known& known, decode::RecordBytes record);

  std::array<Known, 6> known_;
};

}  // namespace ivtrace::model
