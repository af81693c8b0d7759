// The guest's side of IVRing: formats the shared memory and puts sub-buffers into the per-CPU byte rings.
//
// State of a ring's bytes, each with one owner:
//
//            push: body, fence, header, fence          head (release)
//   FREE ────────────────▶ WRITING ─────────────────────▶ PUBLISHED
//   (producer)             (producer)                     (consumer)
//     ▲                                                      │
//     └────────────────── tail (release) ────────────────────┘
//
// FREE is [head, tail + ring_bytes), PUBLISHED is [tail, head). A producer killed while WRITING leaves head
// where it was: those bytes are still FREE, and the consumer never looks at them. The fence between body and
// header is for a reader after a crash that looks behind head: a header of this generation and the right
// sequence has a whole body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "ring/shared_memory.h"

namespace ivtrace::ring {

/// Puts one CPU's sub-buffers into its ring. Obtained from Producer, which must stay alive. Used by one
/// thread at a time; different CPUs' producers are independent. The host's tail is cached and read only when
/// the ring seems full: a load from the BAR costs a microsecond.
class CpuProducer {
 public:
  CpuProducer(const SharedMemory& memory, const Geometry& geometry, CpuId cpu);

  /// Puts `payload`, bytes [offset, offset + size) of the image of the sub-buffer number `page`, into the
  /// ring. `flags`: kChunkSealed, kChunkMissed, kChunkMissedCounted; `missed` goes with the last. Pages are
  /// numbered from 0 after reset(); each begins with a chunk of offset 0 that holds at least the 16-byte
  /// header, and its continuations follow without a gap. False: not enough room, nothing was written, and the
  /// stall was counted; ask again later. `payload` ≤ max_payload(); an empty one only seals.
  bool push(std::uint64_t page, std::uint32_t offset, std::span<const std::byte> payload, std::uint32_t flags,
            std::uint64_t missed = 0);

  /// Begins a new recording: chunk sequences start from 0 again, and by that the consumer knows its first
  /// chunk. Must be called between kStart and the first push.
  void reset() { sequence_ = 0; }

  /// The longest payload that push() takes; longer ones are put in as continuations. A quarter of the ring,
  /// so that an empty ring has room for it wherever head stands.
  std::size_t max_payload() const { return max_payload_; }
  /// Payload bytes put into the ring, and times that it was full, since the memory was formatted.
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t stalls() const { return stalls_; }
  CpuId cpu() const { return cpu_; }

 private:
  bool make_room(std::uint64_t wanted);
  void put_header(std::uint64_t place, const format::ChunkHeader& header);

  format::CpuControl* control_;
  std::span<std::byte> ring_;
  CpuId cpu_;
  std::uint64_t generation_;
  std::size_t max_payload_;
  // What only this side changes is kept here and mirrored to the shared page, never read back from it.
  std::uint64_t head_ = 0;
  std::uint64_t cached_tail_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t chunks_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t stalls_ = 0;
};

/// The formatted memory as the agent holds it. Borrows the memory, which must outlive it. Movable.
/// heartbeat(), set_state() and the host's words may be used from any thread.
class Producer {
 public:
  /// Formats `memory` (page-aligned) for CPUs 0..cpus-1: all positions and the mailbox's words become 0, and
  /// the header appears at once and last. `generation` differs from the one before and is not 0:
  /// random_nonce(). Nobody else may format the same memory at the same time; a recorder may be attached, it
  /// sees a new generation.
  static Result<Producer> format(std::span<std::byte> memory, std::uint32_t cpus, std::uint64_t generation);

  CpuProducer& cpu(CpuId cpu) { return cpus_.at(cpu.value); }
  std::uint32_t cpu_count() const { return geometry_.cpu_count; }
  const Geometry& geometry() const { return geometry_; }
  const SharedMemory& memory() const { return memory_; }

  /// Tells the host that the agent lives; at least once a second.
  void heartbeat();
  void set_state(format::AgentState state);
  /// False when somebody formatted the memory anew or the device was unplugged: stop using it. Reads the BAR.
  bool intact() const { return memory_.holds(geometry_.generation); }
  /// The host's words; 0 while no recorder was ever attached. A heartbeat that stands still for seconds: it
  /// died.
  std::uint64_t host_heartbeat() const;
  std::uint64_t host_session() const;

 private:
  Producer(const SharedMemory& memory, const Geometry& geometry);

  SharedMemory memory_;
  Geometry geometry_;
  std::vector<CpuProducer> cpus_;
};

}  // namespace ivtrace::ring
