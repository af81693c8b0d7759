// How a load fared over time: its operations, counted by equal stretches of its run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ivtrace::lab {

// Counts and mean times per stretch. Not thread-safe.
class Stretches {
 public:
  // width_ns: how long a stretch is; 0: nothing is kept.
  explicit Stretches(std::uint64_t width_ns) : width_ns_(width_ns) {}

  // One operation that ended `at_ns` after the load's begin and took `took_ns`.
  void add(std::uint64_t at_ns, std::uint64_t took_ns);

  // `, "stretch_ns": N, "stretches": [[count, mean_ns], …]`, to follow other members of a JSON object;
  // a stretch with no operation has a mean of 0. Empty when nothing is kept.
  std::string json() const;

 private:
  struct Stretch {
    std::uint64_t count = 0;
    std::uint64_t total_ns = 0;
  };

  // A load that runs for hours with a width of a millisecond must not eat the guest's memory.
  static constexpr std::size_t kMost = 100'000;

  std::uint64_t width_ns_;
  std::vector<Stretch> stretches_;
};

}  // namespace ivtrace::lab
