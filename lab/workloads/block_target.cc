#include "block_target.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "options.h"

namespace ivtrace::lab {

void FreeBuffer::operator()(std::byte* memory) const { std::free(memory); }

DirectBuffer direct_buffer(std::size_t bytes) {
  void* memory = std::aligned_alloc(4096, bytes);
  if (memory == nullptr) die("memory");
  std::memset(memory, 0x5a, bytes);
  return DirectBuffer(static_cast<std::byte*>(memory));
}

BlockTarget open_target(const std::string& path, int flags, std::uint64_t at_least) {
  int fd = open(path.c_str(), flags | O_DIRECT | O_CLOEXEC);
  if (fd < 0) die(path);
  off_t size = lseek(fd, 0, SEEK_END);
  if (size < 0) die(path);
  if (static_cast<std::uint64_t>(size) < at_least) {
    errno = ENOSPC;
    die(path + ": smaller than one request");
  }
  return {fd, static_cast<std::uint64_t>(size)};
}

std::string latency_json(std::vector<std::uint64_t>& latencies_ns) {
  std::sort(latencies_ns.begin(), latencies_ns.end());
  std::size_t count = latencies_ns.size();
  auto rank = [&](std::size_t percent) { return count == 0 ? 0 : latencies_ns[(count - 1) * percent / 100]; };
  std::uint64_t sum = std::accumulate(latencies_ns.begin(), latencies_ns.end(), std::uint64_t{0});
  char text[160];
  std::snprintf(text, sizeof text, "\"count\": %zu, \"mean_ns\": %llu, \"p50_ns\": %llu, \"p99_ns\": %llu",
                count, static_cast<unsigned long long>(count == 0 ? 0 : sum / count),
                static_cast<unsigned long long>(rank(50)), static_cast<unsigned long long>(rank(99)));
  return text;
}

}  // namespace ivtrace::lab
