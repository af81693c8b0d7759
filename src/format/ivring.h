// IVRing: the byte layout that a guest's agent and the host's recorder share through an ivshmem BAR (or any
// mapping).
//
//   0        RingHeader        page 0, written by the agent; host words in lines of their own
//   4096     Mailbox           control page, then the request area, then the reply area
//   ...      CpuControl[n]     one page per possible CPU
//   ...      byte rings        n rings of ring_bytes each
//
// The guest formats the memory: it knows how many CPUs it can have. The host trusts none of it: every word is
// copied once and checked against the size of the file that it mapped itself. docs/format/ivring.md explains
// the states, the publication order and what a reader finds after either side died.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ivtrace::format {

inline constexpr std::uint64_t kRingMagic = 0x31474e4952564921;  // "!IVRING1" in memory
inline constexpr std::uint32_t kRingVersion = 1;
inline constexpr std::size_t kRingPage = 4096;
inline constexpr std::size_t kCacheLine = 64;
inline constexpr std::uint64_t kMaxRingFile = 1ull << 40;
inline constexpr std::uint32_t kMaxCpus = 8192;
inline constexpr std::uint64_t kMinCpuRing = 64u << 10;

inline constexpr std::size_t kMailboxOffset = kRingPage;
inline constexpr std::size_t kRequestBytes = 64u << 10;
inline constexpr std::size_t kReplyBytes = 256u << 10;
inline constexpr std::size_t kMailboxBytes = kRingPage + kRequestBytes + kReplyBytes;
inline constexpr std::size_t kControlOffset = kMailboxOffset + kMailboxBytes;

using SharedU64 = std::atomic<std::uint64_t>;
using SharedU32 = std::atomic<std::uint32_t>;
static_assert(SharedU64::is_always_lock_free && SharedU32::is_always_lock_free);

/// Page 0. `magic` is stored last (release) when the agent formats and zeroed first when it formats again, so
/// a host that loads it (acquire) sees a whole header or none. Owner of each line in its comment.
struct RingHeader {
  // line 0, agent: constant while `magic` stands
  SharedU64 magic;
  SharedU32 version;
  SharedU32 cpu_count;     ///< possible CPUs: control pages and byte rings that follow
  SharedU64 total_bytes;   ///< size of the shared memory as the agent saw it
  SharedU64 ring_bytes;    ///< size of each CPU's byte ring, a multiple of 4096
  SharedU64 rings_offset;  ///< where the first byte ring starts, a multiple of 4096
  SharedU64 generation;    ///< changes whenever the agent formats; never 0
  SharedU64 agent_boot;    ///< guest TSC when the agent started
  SharedU64 reserved0;
  // line 1, agent: changes all the time
  alignas(kCacheLine) SharedU64 agent_heartbeat;  ///< guest TSC, at least once a second
  SharedU64 agent_state;                          ///< AgentState
  // line 2, host: written by the recorder that holds the ring's lock
  alignas(kCacheLine) SharedU64 host_heartbeat;  ///< host TSC, at least once a second while attached
  SharedU64 host_session;  ///< nonce of the attached recorder, 0 when it left in good order
  std::byte reserved1[kRingPage - 2 * kCacheLine - 16];
};
static_assert(sizeof(RingHeader) == kRingPage);
static_assert(offsetof(RingHeader, agent_heartbeat) == 64 && offsetof(RingHeader, host_heartbeat) == 128);

enum class AgentState : std::uint64_t { kIdle = 1, kRecording = 2, kStopping = 3 };

/// The mailbox's control page. One request is in flight at a time. The host fills the request area, then
/// stores `request_seq` (release). The agent answers into the reply area, then stores `reply_seq` = that
/// request_seq (release). Message texts: format/mailbox_message.h.
struct MailboxControl {
  // line 0, host
  SharedU64 request_seq;
  SharedU64 request_session;  ///< nonce of the asking recorder; replies are only for it
  SharedU32 request_bytes;
  SharedU32 reserved0;
  // line 1, agent
  alignas(kCacheLine) SharedU64 reply_seq;
  SharedU64 reply_session;
  SharedU32 reply_bytes;      ///< bytes of JSON at the start of the reply area
  SharedU32 reply_raw_bytes;  ///< raw bytes behind the JSON, for bulk reads
  // lines 2 and 3: the clock handshake (clock/handshake.h), host then agent
  alignas(kCacheLine) SharedU64 ping_seq;
  SharedU64 ping_reserved;
  alignas(kCacheLine) SharedU64 pong_seq;
  SharedU64 pong_tsc;  ///< guest TSC read after seeing ping_seq, before storing pong_seq
  std::byte reserved1[kRingPage - 3 * kCacheLine - 16];
};
static_assert(sizeof(MailboxControl) == kRingPage);
static_assert(offsetof(MailboxControl, reply_seq) == 64 && offsetof(MailboxControl, ping_seq) == 128 &&
              offsetof(MailboxControl, pong_seq) == 192);

/// One CPU's positions. Both run freely (never wrap in practice); position modulo ring_bytes is the place in
/// the ring.
struct CpuControl {
  // line 0, agent
  SharedU64 head;     ///< bytes published, stored (release) after the chunk's bytes
  SharedU64 chunks;   ///< chunks published
  SharedU64 stalled;  ///< times the ring was full when the agent had data
  // line 1, host
  alignas(kCacheLine) SharedU64 tail;  ///< bytes consumed, stored (release) after they were saved
  std::byte reserved[kRingPage - kCacheLine - 8];
};
static_assert(sizeof(CpuControl) == kRingPage && offsetof(CpuControl, tail) == 64);

inline constexpr std::uint32_t kChunkMagic = 0x4b435649;  // "IVCK"

enum ChunkFlags : std::uint32_t {
  kChunkSealed = 1u << 0,         ///< nothing more will come for this page
  kChunkPadding = 1u << 1,        ///< fills the ring up to its end; carries nothing
  kChunkMissed = 1u << 2,         ///< events were lost between the page before and this one
  kChunkMissedCounted = 1u << 3,  ///< `missed` says how many
};

/// Precedes each chunk's payload: a kernel sub-buffer (u64 timestamp, u64 commit, events) or its
/// continuation, cut to the bytes that hold events. Chunks start at multiples of 8, are contiguous, and never
/// cross the ring's end: a padding chunk fills what is left; fewer than sizeof(ChunkHeader) bytes at the end
/// are skipped without one.
struct ChunkHeader {
  std::uint32_t magic;
  std::uint32_t bytes;       ///< payload bytes; the next chunk starts at the next multiple of 8
  std::uint64_t generation;  ///< the header's, so that leftovers of an earlier life are recognised
  std::uint64_t sequence;    ///< of chunks on this CPU, from 0 for each recording
  std::uint64_t page;        ///< of sub-buffers on this CPU, from 0 for each recording
  std::uint32_t offset;      ///< where in the sub-buffer's image the payload belongs
  std::uint32_t flags;       ///< ChunkFlags
  std::uint64_t missed;      ///< with kChunkMissedCounted: events lost before this page
};
static_assert(sizeof(ChunkHeader) == 48);

/// Bytes that a chunk with `payload` bytes takes in the ring.
constexpr std::uint64_t chunk_span(std::uint64_t payload) {
  return sizeof(ChunkHeader) + ((payload + 7) & ~7ull);
}

}  // namespace ivtrace::format
