// A quick sum of 64 bits, to know torn and rotten bytes by. It does not stop anybody who wants it to agree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ivtrace {

/// Sums that differ when one aligned word of the bytes does, and almost surely when anything else does. Begun
/// with the sum of other bytes, it is one of both. Of this machine's byte order.
std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t before = 0);

}  // namespace ivtrace
