// The shared memory as both sides see it: where each part of format/ivring.h lies, and the checks that make
// it safe to look there. Nothing here owns memory.
#pragma once

#include <x86intrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "base/check.h"
#include "base/result.h"
#include "base/units.h"
#include "format/ivring.h"

namespace ivtrace::ring {

/// Sizes of one formatted ring. Made by plan_geometry (producer) or read_geometry (consumer) only, and then
/// constant: a private copy, so that what the other side writes later cannot move a bound. Invariant:
/// rings_offset + cpu_count * ring_bytes ≤ total_bytes ≤ the memory's size; offsets are page multiples.
struct Geometry {
  std::uint32_t cpu_count = 0;
  std::uint64_t total_bytes = 0;
  std::uint64_t ring_bytes = 0;
  std::uint64_t rings_offset = 0;
  std::uint64_t generation = 0;
};

/// Divides `bytes` of shared memory among `cpus` CPUs. kExhausted, with the size that would do, when it is
/// too small.
Result<Geometry> plan_geometry(std::uint64_t bytes, std::uint32_t cpus, std::uint64_t generation);

/// The geometry that page 0 of `memory` tells, each word copied once and checked. `what` names the ring in
/// errors:
///   kExhausted    the memory is too small for any ring
///   kNotFound     no agent has formatted it yet (or is just doing so)
///   kUnsupported  another version of the layout
///   kCorrupt      the sizes contradict each other or the memory's size
Result<Geometry> read_geometry(std::span<std::byte> memory, const std::string& what);

/// The least memory that an IVRing of one CPU takes.
inline constexpr std::uint64_t kMinRingFile =
    format::kControlOffset + format::kRingPage + format::kMinCpuRing;

/// 64 random bits that are not 0: generations and recorders' nonces.
std::uint64_t random_nonce();

/// Orders all earlier stores before all later ones, also on the write-combining mapping of a BAR, where an
/// ordinary release store orders nothing (Intel SDM vol. 3, "Memory Ordering"), and drains the
/// write-combining buffers.
inline void store_fence() { _mm_sfence(); }

/// memcpy out of memory that the other side may be writing: what arrives may be a mixture, but each byte is
/// read once and only the private copy is looked at afterwards. Atomic loads, so that the compiler cannot
/// read a word twice; acquire, so that a look whether the memory still stands, made behind the copy, is not
/// done before it (a fence would do as well, but ThreadSanitizer does not know fences). `from` and `bytes`
/// are multiples of 8.
inline void copy_words(void* to, const std::byte* from, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += 8) {
    const std::uint64_t word =
        __atomic_load_n(reinterpret_cast<const std::uint64_t*>(from + i), __ATOMIC_ACQUIRE);
    std::memcpy(static_cast<std::byte*>(to) + i, &word, 8);
  }
}

/// Names the parts of a shared memory. Borrows it; copies freely; threads as told at each word in
/// format/ivring.h.
class SharedMemory {
 public:
  /// `bytes` is page-aligned and at least kMinRingFile long.
  explicit SharedMemory(std::span<std::byte> bytes) : bytes_(bytes) {
    IVT_CHECK(bytes.size() >= kMinRingFile);
    IVT_CHECK(reinterpret_cast<std::uintptr_t>(bytes.data()) % format::kRingPage == 0);
  }

  std::span<std::byte> bytes() const { return bytes_; }
  format::RingHeader& header() const { return at<format::RingHeader>(0); }
  format::MailboxControl& mailbox() const { return at<format::MailboxControl>(format::kMailboxOffset); }
  std::span<std::byte> request_area() const {
    return bytes_.subspan(format::kMailboxOffset + format::kRingPage, format::kRequestBytes);
  }
  std::span<std::byte> reply_area() const {
    return bytes_.subspan(format::kMailboxOffset + format::kRingPage + format::kRequestBytes,
                          format::kReplyBytes);
  }
  format::CpuControl& control(const Geometry& geometry, CpuId cpu) const {
    IVT_CHECK(cpu.value < geometry.cpu_count);
    return at<format::CpuControl>(format::kControlOffset + cpu.value * format::kRingPage);
  }
  std::span<std::byte> ring(const Geometry& geometry, CpuId cpu) const {
    IVT_CHECK(cpu.value < geometry.cpu_count);
    return bytes_.subspan(geometry.rings_offset + cpu.value * geometry.ring_bytes, geometry.ring_bytes);
  }
  /// True while page 0 still carries `generation`: nobody formatted the memory anew, and it is still there
  /// (after a device_del stores vanish silently and loads give all ones).
  bool holds(std::uint64_t generation) const {
    // acquire: pairs with the release store of magic in Producer::format
    return header().magic.load(std::memory_order_acquire) == format::kRingMagic &&
           header().generation.load(std::memory_order_relaxed) == generation;
  }

 private:
  template <class T>
  T& at(std::uint64_t offset) const {
    IVT_CHECK(offset + sizeof(T) <= bytes_.size());
    return *reinterpret_cast<T*>(bytes_.data() + offset);
  }

  std::span<std::byte> bytes_;
};

}  // namespace ivtrace::ring
