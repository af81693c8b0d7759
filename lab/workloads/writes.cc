// Many large direct writes in flight: the noisy neighbour of a shared disk.
//
// Kernel AIO from one buffer that is filled once. Filling buffers would cost the
// (perhaps emulated) CPU more than the disk does, and the neighbour would be a
// quiet one. The system calls are made by hand: libaio need not exist.

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <numeric>
#include <vector>

#include "block_target.h"
#include "options.h"
#include "pace.h"

namespace {

using ivtrace::lab::die;
using ivtrace::lab::now_ns;

constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;

// Keeps `depth` sequential writes in flight, wrapping at the target's end. One thread.
class Writer {
 public:
  Writer(ivtrace::lab::BlockTarget target, std::size_t size, std::size_t depth)
      : target_(target),
        size_(size),
        buffer_(ivtrace::lab::direct_buffer(size)),
        slots_(depth),
        begun_ns_(depth) {
    if (syscall(SYS_io_setup, depth, &context_) != 0) die("io_setup");
  }

  void submit(std::size_t slot) {
    iocb& request = slots_[slot];
    request = {};
    request.aio_data = slot;
    request.aio_lio_opcode = IOCB_CMD_PWRITE;
    request.aio_fildes = static_cast<std::uint32_t>(target_.fd);
    request.aio_buf = reinterpret_cast<std::uintptr_t>(buffer_.get());
    request.aio_nbytes = size_;
    request.aio_offset = static_cast<std::int64_t>(next_);
    next_ = next_ + 2 * size_ <= target_.bytes ? next_ + size_ : 0;
    begun_ns_[slot] = now_ns();
    iocb* requests = &request;
    if (syscall(SYS_io_submit, context_, 1, &requests) != 1) die("io_submit");
  }

  // Waits for a completion, `most_ns` at most (0: as long as it takes); gives back the slots that are free
  // again.
  std::vector<std::size_t> complete(std::vector<std::uint64_t>& latencies, std::uint64_t most_ns) {
    std::vector<io_event> events(slots_.size());
    timespec most = {static_cast<time_t>(most_ns / kNanosecondsPerSecond),
                     static_cast<long>(most_ns % kNanosecondsPerSecond)};
    long done =
        syscall(SYS_io_getevents, context_, 1, events.size(), events.data(), most_ns == 0 ? nullptr : &most);
    if (done < 0) die("io_getevents");
    std::uint64_t now = now_ns();
    std::vector<std::size_t> free;
    for (long i = 0; i < done; ++i) {
      if (events[static_cast<std::size_t>(i)].res != static_cast<std::int64_t>(size_)) {
        errno = EIO;
        die("write");
      }
      free.push_back(events[static_cast<std::size_t>(i)].data);
      latencies.push_back(now - begun_ns_[free.back()]);
    }
    return free;
  }

 private:
  ivtrace::lab::BlockTarget target_;
  std::size_t size_;
  ivtrace::lab::DirectBuffer buffer_;
  std::vector<iocb> slots_;
  std::vector<std::uint64_t> begun_ns_;
  aio_context_t context_ = 0;
  std::uint64_t next_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  ivtrace::lab::Options options(
      argc, argv,
      "Writes SIZE-byte blocks one after another, DEPTH in flight, for SECONDS, RATE a second at most (0: no "
      "limit).",
      {{"target", "/dev/vda"}, {"seconds", "5"}, {"size", "1M"}, {"depth", "32"}, {"rate", "0"}});
  std::size_t size = options.number("size");
  std::size_t depth = options.number("depth");
  std::uint64_t rate = options.number("rate");
  Writer writer(ivtrace::lab::open_target(options.text("target"), O_WRONLY, size), size, depth);

  std::vector<std::uint64_t> latencies;
  std::uint64_t begin = now_ns();
  std::uint64_t end = begin + options.number("seconds") * kNanosecondsPerSecond;
  ivtrace::lab::Pace pace(rate == 0 ? 0 : kNanosecondsPerSecond / rate, begin);
  std::vector<std::size_t> free(depth);
  std::iota(free.begin(), free.end(), std::size_t{0});
  std::uint64_t now = begin;
  while (now < end || free.size() < depth) {
    for (; now < end && !free.empty() && pace.wait_ns(now) == 0; now = now_ns()) {
      pace.begin(now);
      writer.submit(free.back());
      free.pop_back();
    }
    // Behind the end only completions are waited for.
    std::uint64_t wait = now < end && !free.empty() ? pace.wait_ns(now) : 0;
    std::vector<std::size_t> done = writer.complete(latencies, wait);
    free.insert(free.end(), done.begin(), done.end());
    now = now_ns();
  }
  double seconds = static_cast<double>(now_ns() - begin) / 1e9;
  double bytes = static_cast<double>(latencies.size()) * static_cast<double>(size);
  std::printf("{%s, \"seconds\": %.6f, \"bytes\": %.0f, \"bytes_per_second\": %.0f}\n",
              ivtrace::lab::latency_json(latencies).c_str(), seconds, bytes, bytes / seconds);
  return 0;
}
