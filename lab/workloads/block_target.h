// The file or block device that a load reads or writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ivtrace::lab {

struct FreeBuffer {
  void operator()(std::byte* memory) const;
};

// Page-aligned memory, as O_DIRECT wants it.
using DirectBuffer = std::unique_ptr<std::byte[], FreeBuffer>;
DirectBuffer direct_buffer(std::size_t bytes);

// An open O_DIRECT target. Owns the descriptor for the life of the program.
struct BlockTarget {
  int fd;
  std::uint64_t bytes;  // its size
};

// Opens `path` with O_DIRECT and `flags` (O_RDONLY, O_WRONLY); ends the program
// when it cannot, or when it holds less than `at_least` bytes.
BlockTarget open_target(const std::string& path, int flags, std::uint64_t at_least);

// "count", "mean_ns", "p50_ns" and "p99_ns" of the latencies, as members of a JSON object. Sorts them.
std::string latency_json(std::vector<std::uint64_t>& latencies_ns);

}  // namespace ivtrace::lab
