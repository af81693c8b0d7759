// The one interface through which the recorder takes sub-buffers out of a guest, whatever carries them: the
// shared-memory copy ring today; page follow, a boot-mapped ring or a byte stream later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "base/units.h"

namespace ivtrace::ring {

/// A piece of a sub-buffer's image, checked: offset + bytes.size() ≤ kMaxSubBuffer, offset 0 carries at least
/// the 16-byte header, a continuation follows its predecessor without a gap. Offset 0 always begins a new
/// sub-buffer, also when `page` is not greater than before (the agent began a new recording); the one before
/// is then complete, sealed or not. `bytes` may be empty (the piece only seals). They may lie in memory that
/// the guest is still able to write: the receiver copies each word it looks at, once.
struct PagePiece {
  CpuId cpu;
  std::uint64_t page = 0;    ///< sequence number of the sub-buffer on this CPU
  std::uint32_t offset = 0;  ///< where in the image `bytes` belongs
  std::span<const std::byte> bytes;
  bool sealed = false;  ///< nothing more will come for this page
  bool missed = false;  ///< events were lost before this page (told with offset 0)
  std::optional<std::uint64_t> missed_count;
};

/// Why data that was on its way did not arrive, besides what the kernel's own counters say.
enum class PlaneLossReason {
  kCorruptChunk,   ///< a chunk broke the layout: what was in the ring of that CPU is skipped
  kSequenceGap,    ///< chunks are missing in the sequence
  kNewGeneration,  ///< the agent formatted the ring anew: what was not yet taken is gone
  kMappingLost,    ///< the ring's file shrank or went away
};
const char* to_string(PlaneLossReason reason);

struct PlaneLoss {
  std::optional<CpuId> cpu;  ///< empty: all CPUs
  PlaneLossReason reason = PlaneLossReason::kCorruptChunk;
  std::uint64_t count = 1;  ///< losses summed up in this one
  std::uint64_t bytes = 0;  ///< ring bytes that were skipped; 0 when unknown
  std::string detail;       ///< of the first of them, for people
};

/// Takes what a data plane delivers. Called on the polling thread.
class PageSink {
 public:
  virtual ~PageSink() = default;
  /// Saves the piece. The data plane releases the bytes to the producer only after success; an error (disk
  /// full) ends the poll with that error and keeps the piece for the next one.
  virtual Status on_piece(const PagePiece& piece) = 0;
  /// Notes a loss at the place where it happened: before the piece that follows it. Losses of one kind on one
  /// CPU that come in floods are told in ever larger sums, so that a hostile guest cannot fill the disk with
  /// them; `count` says how many there were. An error ends the poll and keeps the loss for the next one.
  virtual Status on_loss(const PlaneLoss& loss) = 0;
};

/// A guest's way of delivering sub-buffers to the host. Used by one thread at a time.
class DataPlane {
 public:
  virtual ~DataPlane() = default;

  struct Progress {
    std::uint64_t bytes = 0;  ///< payload delivered by this poll
    std::uint64_t pieces = 0;
    bool more = false;  ///< stopped at `budget`, there is more at once
  };
  /// Delivers what is there, at most about `budget` bytes, and returns; never blocks, never loops on hostile
  /// input. Errors of the sink are passed on; kGone: nothing will ever come again (told as a loss first); any
  /// other error: there is nothing to take now, which may change.
  virtual Result<Progress> poll(PageSink& sink, std::uint64_t budget) = 0;
  /// Tells the sink the losses that poll() still holds back (floods of them are summed up); at the end of a
  /// recording.
  virtual Status finish(PageSink& sink) = 0;
  /// How full the fullest ring is, 0..1.
  virtual double fill() const = 0;
  /// Number of CPUs that can deliver.
  virtual std::uint32_t cpu_count() const = 0;
};

}  // namespace ivtrace::ring
