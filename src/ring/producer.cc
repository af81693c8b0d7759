#include "ring/producer.h"

#include <algorithm>
#include <cstring>

#include "base/tsc.h"
#include "format/kernel_page.h"

namespace ivtrace::ring {

using format::ChunkHeader;

CpuProducer::CpuProducer(const SharedMemory& memory, const Geometry& geometry, CpuId cpu)
    : control_(&memory.control(geometry, cpu)),
      ring_(memory.ring(geometry, cpu)),
      cpu_(cpu),
      generation_(geometry.generation),
      max_payload_(std::min<std::size_t>(format::kMaxSubBuffer, geometry.ring_bytes / 4)) {}

bool CpuProducer::make_room(std::uint64_t wanted) {
  if (ring_.size() - (head_ - cached_tail_) >= wanted) return true;
  // acquire: pairs with the release store of tail in CpuReader::publish, so that the host's loads of the old
  // bytes come before our stores of new ones
  const std::uint64_t tail = control_->tail.load(std::memory_order_acquire);
  // A tail that cannot be (a recorder that died half-way, all ones after an unplug) frees nothing.
  if (tail <= head_ && tail >= cached_tail_) cached_tail_ = tail;
  return ring_.size() - (head_ - cached_tail_) >= wanted;
}

void CpuProducer::put_header(std::uint64_t place, const ChunkHeader& header) {
  std::memcpy(ring_.data() + place, &header, sizeof header);
}

bool CpuProducer::push(std::uint64_t page, std::uint32_t offset, std::span<const std::byte> payload,
                       std::uint32_t flags, std::uint64_t missed) {
  IVT_CHECK(payload.size() <= max_payload_);
  IVT_CHECK(offset + payload.size() <= format::kMaxSubBuffer);
  IVT_CHECK(offset != 0 || payload.size() >= format::kSubBufferHeader);
  const std::uint64_t span = format::chunk_span(payload.size());
  std::uint64_t place = head_ % ring_.size();
  const std::uint64_t to_end = ring_.size() - place;
  const std::uint64_t skip = to_end < span ? to_end : 0;
  if (!make_room(skip + span)) {
    ++stalls_;
    control_->stalled.store(stalls_, std::memory_order_relaxed);  // a statistic; orders nothing
    return false;
  }
  if (skip >= sizeof(ChunkHeader)) {
    put_header(place, {.magic = format::kChunkMagic,
                       .bytes = static_cast<std::uint32_t>(skip - sizeof(ChunkHeader)),
                       .generation = generation_,
                       .sequence = sequence_,
                       .page = page,
                       .offset = 0,
                       .flags = format::kChunkPadding,
                       .missed = 0});
  }
  if (skip != 0) place = 0;
  if (!payload.empty())
    std::memcpy(ring_.data() + place + sizeof(ChunkHeader), payload.data(), payload.size());
  store_fence();
  put_header(place, {.magic = format::kChunkMagic,
                     .bytes = static_cast<std::uint32_t>(payload.size()),
                     .generation = generation_,
                     .sequence = sequence_,
                     .page = page,
                     .offset = offset,
                     .flags = flags,
                     .missed = missed});
  store_fence();
  head_ += skip + span;
  ++sequence_;
  ++chunks_;
  bytes_ += payload.size();
  control_->chunks.store(chunks_, std::memory_order_relaxed);  // a statistic; orders nothing
  // release: pairs with the acquire load of head in CpuReader::poll
  control_->head.store(head_, std::memory_order_release);
  store_fence();  // out of the write-combining buffer now, not when it happens to be needed
  return true;
}

Producer::Producer(const SharedMemory& memory, const Geometry& geometry)
    : memory_(memory), geometry_(geometry) {
  cpus_.reserve(geometry.cpu_count);
  for (std::uint32_t cpu = 0; cpu < geometry.cpu_count; ++cpu)
    cpus_.emplace_back(memory, geometry, CpuId(cpu));
}

Result<Producer> Producer::format(std::span<std::byte> bytes, std::uint32_t cpus, std::uint64_t generation) {
  IVT_ASSIGN_OR_RETURN(const Geometry geometry, plan_geometry(bytes.size(), cpus, generation));
  const SharedMemory memory(bytes);
  format::RingHeader& header = memory.header();
  // From here to the last store there is no ring: a host that loads magic sees 0, and a host that had
  // attached before finds the magic gone at its next poll.
  header.magic.store(0, std::memory_order_relaxed);
  store_fence();
  // Everything but the byte rings becomes 0; their leftovers carry the old generation and are behind head
  // anyway. Word by word and atomically, as an attached host may be looking.
  for (std::uint64_t at = sizeof(header.magic); at < geometry.rings_offset; at += 8) {
    __atomic_store_n(reinterpret_cast<std::uint64_t*>(bytes.data() + at), 0, __ATOMIC_RELAXED);
  }
  header.version.store(format::kRingVersion, std::memory_order_relaxed);
  header.cpu_count.store(geometry.cpu_count, std::memory_order_relaxed);
  header.total_bytes.store(geometry.total_bytes, std::memory_order_relaxed);
  header.ring_bytes.store(geometry.ring_bytes, std::memory_order_relaxed);
  header.rings_offset.store(geometry.rings_offset, std::memory_order_relaxed);
  header.generation.store(geometry.generation, std::memory_order_relaxed);
  header.agent_boot.store(read_tsc(), std::memory_order_relaxed);
  header.agent_state.store(static_cast<std::uint64_t>(format::AgentState::kIdle), std::memory_order_relaxed);
  header.agent_heartbeat.store(read_tsc(), std::memory_order_relaxed);
  store_fence();
  // release: pairs with the acquire loads of magic in read_geometry and SharedMemory::holds
  header.magic.store(format::kRingMagic, std::memory_order_release);
  store_fence();
  return Producer(memory, geometry);
}

void Producer::heartbeat() {
  // relaxed: that it moves and when it was read matter, no other word goes with it
  memory_.header().agent_heartbeat.store(read_tsc(), std::memory_order_relaxed);
  store_fence();
}

void Producer::set_state(format::AgentState state) {
  // relaxed: told to people only; what was delivered is told by the mailbox' replies
  memory_.header().agent_state.store(static_cast<std::uint64_t>(state), std::memory_order_relaxed);
  store_fence();
}

std::uint64_t Producer::host_heartbeat() const {
  return memory_.header().host_heartbeat.load(std::memory_order_relaxed);  // only that it moves matters
}

std::uint64_t Producer::host_session() const {
  return memory_.header().host_session.load(std::memory_order_relaxed);  // compared, never followed
}

}  // namespace ivtrace::ring
