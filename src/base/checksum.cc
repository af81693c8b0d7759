#include "base/checksum.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace ivtrace {
namespace {

constexpr std::size_t kLanes = 4;  // that do not wait for each other: memory is the limit, not the products
constexpr std::uint64_t kFactor = 0x9e3779b97f4a7c15;
constexpr std::uint64_t kWordFactor = 0xc2b2ae3d27d4eb4f;

/// One to one in each of its arguments, so a change of one never gets lost. A word has its own factor, or a
/// bit of it would look like another bit of the next.
std::uint64_t mix(std::uint64_t sum, std::uint64_t word) {
  return std::rotl(sum ^ word * kWordFactor, 29) * kFactor;
}

}  // namespace

std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t before) {
  constexpr std::size_t kStep = kLanes * sizeof(std::uint64_t);
  std::array<std::uint64_t, kLanes> lanes = {1, 2, 3, 4};
  std::array<std::uint64_t, kLanes> words;
  const std::size_t length = bytes.size();
  for (; !bytes.empty(); bytes = bytes.subspan(std::min(bytes.size(), kStep))) {
    if (bytes.size() < kStep) words.fill(0);
    std::memcpy(words.data(), bytes.data(), std::min(bytes.size(), kStep));
    for (std::size_t i = 0; i < kLanes; ++i) lanes[i] = mix(lanes[i], words[i]);
  }
  std::uint64_t sum = mix(before, length);
  for (const std::uint64_t lane : lanes) sum = mix(sum, lane);
  return sum ^ sum >> 32;
}

}  // namespace ivtrace
