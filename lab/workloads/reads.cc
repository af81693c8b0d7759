// Random direct reads, one at a time: a disk's latency as a database feels it.

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <random>
#include <vector>

#include "block_target.h"
#include "options.h"
#include "pace.h"
#include "stretches.h"

namespace {

constexpr std::uint64_t kSector = 512;

void print_sectors(const std::vector<std::uint64_t>& offsets) {
  std::printf(", \"sectors\": [");
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    std::printf("%s%llu", i == 0 ? "" : ", ", static_cast<unsigned long long>(offsets[i] / kSector));
  }
  std::printf("]");
}

}  // namespace

int main(int argc, char** argv) {
  ivtrace::lab::Options options(
      argc, argv,
      "Reads SIZE bytes at random multiples of SIZE, for SECONDS or COUNT reads (0: no limit of that kind),\n"
      "one each INTERVAL-US (0: one after the other). STRETCH-MS: tells each such stretch's count and mean.",
      {{"target", "/dev/vda"},
       {"seconds", "5"},
       {"count", "0"},
       {"size", "4096"},
       {"seed", "1"},
       {"list", "0"},
       {"interval-us", "0"},
       {"stretch-ms", "0"}});
  std::uint64_t size = options.number("size");
  std::uint64_t count = options.number("count");
  std::uint64_t limit_ns = options.number("seconds") * 1'000'000'000;
  ivtrace::lab::BlockTarget target = ivtrace::lab::open_target(options.text("target"), O_RDONLY, size);
  ivtrace::lab::DirectBuffer buffer = ivtrace::lab::direct_buffer(size);

  std::mt19937_64 random(options.number("seed"));
  std::vector<std::uint64_t> offsets;
  std::vector<std::uint64_t> latencies;
  ivtrace::lab::Stretches stretches(options.number("stretch-ms") * 1'000'000);
  std::uint64_t begin = ivtrace::lab::now_ns();
  std::uint64_t now = begin;
  ivtrace::lab::Pace pace(options.number("interval-us") * 1'000, begin);
  while ((count == 0 || offsets.size() < count) && (limit_ns == 0 || now - begin < limit_ns)) {
    std::uint64_t offset = random() % (target.bytes / size) * size;
    if (std::uint64_t wait = pace.wait_ns(now)) usleep(static_cast<useconds_t>(wait / 1'000));
    std::uint64_t before = ivtrace::lab::now_ns();
    pace.begin(before);
    if (pread(target.fd, buffer.get(), size, static_cast<off_t>(offset)) != static_cast<ssize_t>(size))
      ivtrace::lab::die("pread");
    now = ivtrace::lab::now_ns();
    offsets.push_back(offset);
    latencies.push_back(now - before);
    stretches.add(now - begin, now - before);
  }
  std::printf("{%s, \"seconds\": %.6f%s", ivtrace::lab::latency_json(latencies).c_str(),
              static_cast<double>(now - begin) / 1e9, stretches.json().c_str());
  if (options.number("list") != 0) print_sectors(offsets);
  std::printf("}\n");
  return 0;
}
