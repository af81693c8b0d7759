#include "ring/shared_memory.h"

#include <fmt/format.h>
#include <sys/random.h>

#include "base/text.h"
#include "base/tsc.h"

namespace ivtrace::ring {
namespace {

std::uint64_t bytes_for(std::uint32_t cpus) {
  return format::kControlOffset + cpus * (format::kRingPage + format::kMinCpuRing);
}

Error too_small(const std::string& what, std::uint64_t bytes, std::uint32_t cpus) {
  std::uint64_t wanted = 1u << 20;
  while (wanted < bytes_for(cpus)) wanted *= 2;
  return Error(ErrorCode::kExhausted,
               fmt::format("{} is too small: {} bytes, an IVRing for {} CPU(s) takes {}", what, bytes, cpus,
                           bytes_for(cpus)),
               "give the guest's ivshmem memory-backend-file size=" + format_size(wanted) + " or more");
}

}  // namespace

Result<Geometry> plan_geometry(std::uint64_t bytes, std::uint32_t cpus, std::uint64_t generation) {
  IVT_CHECK(cpus > 0 && generation != 0);
  if (cpus > format::kMaxCpus) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("{} CPUs are more than IVRing's {}", cpus, format::kMaxCpus));
  }
  if (bytes < bytes_for(cpus)) return too_small("the shared memory", bytes, cpus);
  Geometry geometry;
  geometry.cpu_count = cpus;
  geometry.total_bytes = bytes;
  geometry.rings_offset = format::kControlOffset + cpus * format::kRingPage;
  geometry.ring_bytes = (bytes - geometry.rings_offset) / cpus / format::kRingPage * format::kRingPage;
  geometry.generation = generation;
  return geometry;
}

Result<Geometry> read_geometry(std::span<std::byte> memory, const std::string& what) {
  if (memory.size() < kMinRingFile) return too_small(what, memory.size(), 1);
  const format::RingHeader& header = SharedMemory(memory).header();
  // acquire: pairs with the release store of magic in Producer::format
  const std::uint64_t magic = header.magic.load(std::memory_order_acquire);
  if (magic == 0) {
    return Error(ErrorCode::kNotFound, what + " is not formatted yet",
                 "start ivtrace-agent in the guest; it may start at any time");
  }
  if (magic != format::kRingMagic) {
    return Error(ErrorCode::kCorrupt, what + " does not hold an IVRing",
                 "is this memory used by something else? ivtrace needs an ivshmem device of its own");
  }
  const std::uint32_t version = header.version.load(std::memory_order_relaxed);
  if (version != format::kRingVersion) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("{} has IVRing layout version {}, this ivtrace speaks {}", what, version,
                             format::kRingVersion),
                 "install the ivtrace-agent of this ivtrace's version in the guest");
  }
  Geometry geometry;
  geometry.cpu_count = header.cpu_count.load(std::memory_order_relaxed);
  geometry.total_bytes = header.total_bytes.load(std::memory_order_relaxed);
  geometry.ring_bytes = header.ring_bytes.load(std::memory_order_relaxed);
  geometry.rings_offset = header.rings_offset.load(std::memory_order_relaxed);
  geometry.generation = header.generation.load(std::memory_order_relaxed);
  // No product below can overflow: each factor is bounded before it is used.
  const bool sane =
      geometry.cpu_count >= 1 && geometry.cpu_count <= format::kMaxCpus && geometry.generation != 0 &&
      geometry.total_bytes <= memory.size() && geometry.ring_bytes >= format::kMinCpuRing &&
      geometry.ring_bytes <= memory.size() && geometry.ring_bytes % format::kRingPage == 0 &&
      geometry.rings_offset % format::kRingPage == 0 &&
      geometry.rings_offset >= format::kControlOffset + geometry.cpu_count * format::kRingPage &&
      geometry.rings_offset <= memory.size() &&
      geometry.ring_bytes * geometry.cpu_count <= geometry.total_bytes &&
      geometry.rings_offset <= geometry.total_bytes - geometry.ring_bytes * geometry.cpu_count;
  if (!sane) {
    return Error(
        ErrorCode::kCorrupt,
        fmt::format("{} tells sizes that cannot be: {} CPUs, {} bytes per ring at {}, {} bytes in all; the "
                    "file has {}",
                    what, geometry.cpu_count, geometry.ring_bytes, geometry.rings_offset,
                    geometry.total_bytes, memory.size()),
        "restart ivtrace-agent in the guest; if the file was resized, the guest needs its device anew");
  }
  return geometry;
}

std::uint64_t random_nonce() {
  std::uint64_t nonce = 0;
  if (::getrandom(&nonce, sizeof nonce, 0) != sizeof nonce) nonce = read_tsc();
  return nonce == 0 ? 1 : nonce;
}

}  // namespace ivtrace::ring
