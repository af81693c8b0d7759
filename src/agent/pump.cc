// When to wake up.
//
// Each wake-up of the agent is itself traced: a timer, two context switches, perhaps an interrupt. An agent
// that took "there was something" for "it is busy here" would keep itself awake with its own noise for ever.
// So a round's *amount* decides: the interval between rounds is halved when a round moved much and doubled
// when it moved little, between 1 ms and 50 ms, and a quiet guest's agent settles at 50 ms. A storm does not
// have to wait for that: poll() returns as soon as the kernel's buffer is filled to the instance's
// buffer_percent. 50 ms is also how far a quiet guest's data may lag.
//
// A full ring: the kernel goes on and overwrites its oldest pages, counted. poll() would return at once, so
// the pump sleeps instead until the host made room.
#include "agent/pump.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>

namespace ivtrace::agent {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kShortest{1};
constexpr milliseconds kLongest{50};
constexpr milliseconds kStalledNap{2};
constexpr auto kOpenAgain = std::chrono::seconds(1);
/// Bytes taken from one CPU before the next one's turn.
constexpr std::uint64_t kTurnBytes = 256u << 10;
constexpr std::uint64_t kBusyBytes = 64u << 10;

}  // namespace

Lane::Lane(const tracefs::Instance& instance, ring::CpuProducer& producer, tracefs::Feed feed)
    : instance_(&instance),
      producer_(&producer),
      feed_(feed),
      bytes_before_(producer.bytes()),
      stalls_before_(producer.stalls()) {
  producer.reset();
}

Status Lane::open_reader() {
  if (Clock::now() < next_open_) return {};
  next_open_ = Clock::now() + kOpenAgain;
  auto reader = tracefs::open_reader(*instance_, cpu(), feed_);
  if (reader) {
    reader_ = std::move(*reader);
    page_base_ = next_page_;
    return {};
  }
  if (reader.error().code == ErrorCode::kNotFound) return {};  // this CPU was never online
  return reader.error();
}

Result<tracefs::PageReader::Progress> Lane::drain(std::uint64_t budget) {
  if (!reader_) IVT_RETURN_IF_ERROR(open_reader());
  if (!reader_) return tracefs::PageReader::Progress{};
  auto progress = reader_->drain(*this, budget);
  bytes_.store(producer_->bytes() - bytes_before_, std::memory_order_relaxed);
  stalls_.store(producer_->stalls() - stalls_before_, std::memory_order_relaxed);
  return progress;
}

bool Lane::take(const tracefs::Piece& piece) {
  while (done_ < piece.bytes.size()) {
    const std::size_t size = std::min(piece.bytes.size() - done_, producer_->max_payload());
    std::uint32_t flags = 0;
    std::uint64_t missed = 0;
    if (done_ == 0 && piece.missed) {
      flags |= format::kChunkMissed;
      if (piece.missed_count) {
        flags |= format::kChunkMissedCounted;
        missed = *piece.missed_count;
      }
    }
    if (piece.sealed && done_ + size == piece.bytes.size()) flags |= format::kChunkSealed;
    const std::uint32_t offset = piece.offset + static_cast<std::uint32_t>(done_);
    if (!producer_->push(page_base_ + piece.page, offset, piece.bytes.subspan(done_, size), flags, missed))
      return false;
    done_ += size;
  }
  done_ = 0;
  next_page_ = page_base_ + piece.page + 1;
  return true;
}

Status Lane::unmap() {
  if (feed_ == tracefs::Feed::kRead) return {};
  if (reader_) {
    // What GET_READER has consumed is only in the mapping: it must be in the ring before the mapping may go.
    IVT_ASSIGN_OR_RETURN(const auto progress, drain(~0ull));
    if (progress.stalled) {
      return Error(ErrorCode::kBusy, "the ring is full: the mapped trace buffer cannot be resized now",
                   "try again");
    }
  }
  reader_.reset();
  feed_ = tracefs::Feed::kRead;
  next_open_ = {};
  return open_reader();
}

Pump::Pump(std::vector<std::unique_ptr<Lane>> lanes, const ring::Producer& producer,
           std::uint64_t buffer_bytes)
    : lanes_(std::move(lanes)), producer_(&producer), busy_bytes_(std::min(kBusyBytes, buffer_bytes / 8)) {
  thread_ = std::thread([this] { run(); });
  tid_.wait(0);
}

Pump::~Pump() {
  abandon();
  join();
}

void Pump::go() {
  const std::lock_guard lock(order_mutex_);
  if (order_ == Order::kWait) order_ = Order::kRun;
  order_changed_.notify_all();
}

void Pump::finish() {
  const std::lock_guard lock(order_mutex_);
  if (order_ != Order::kAbandon) order_ = Order::kFinish;
  order_changed_.notify_all();
}

void Pump::abandon() {
  const std::lock_guard lock(order_mutex_);
  order_ = Order::kAbandon;
  order_changed_.notify_all();
}

void Pump::join() {
  if (thread_.joinable()) thread_.join();
}

void Pump::run() {
  tid_ = ::gettid();
  tid_.notify_all();
  for (;;) {
    Order order;
    {
      std::unique_lock lock(order_mutex_);
      order_changed_.wait(lock, [this] { return order_ != Order::kWait; });
      order = order_;
    }
    if (order == Order::kAbandon) break;
    wakeups_.fetch_add(1, std::memory_order_relaxed);
    // A ring that was formatted by somebody else or unplugged must not be written to.
    if (!producer_->intact()) break;
    const Round round = drain_lanes();
    if (order == Order::kFinish && !round.more && !round.stalled) break;
    if (!round.more) rest(round);
  }
  // release: pairs with the acquire in done(); whoever sees it may read error_
  done_.store(true, std::memory_order_release);
}

Pump::Round Pump::drain_lanes() {
  const std::lock_guard lock(lanes_mutex_);
  Round round;
  for (const auto& lane : lanes_) {
    const auto progress = lane->drain(kTurnBytes);
    if (!progress) {
      if (error_.empty())
        error_ = "CPU " + std::to_string(lane->cpu().value) + ": " + progress.error().to_string();
      continue;
    }
    round.bytes += progress->bytes;
    round.stalled |= progress->stalled;
    round.more |= progress->more;
  }
  return round;
}

void Pump::rest(const Round& round) {
  if (round.bytes > busy_bytes_) {
    interval_ = std::max(interval_ / 2, kShortest);
  } else if (round.bytes < busy_bytes_ / 4) {
    interval_ = std::min(interval_ * 2, kLongest);
  }
  const bool woken_for_nothing = woken_early_ && round.bytes < busy_bytes_ / 4;
  woken_early_ = false;
  std::unique_lock lock(order_mutex_);
  if (order_ == Order::kAbandon || order_ == Order::kFinish) {
    // Nothing comes in any more; what is left waits for the host to make room.
    if (round.stalled) order_changed_.wait_for(lock, kStalledNap);
    return;
  }
  if (round.stalled || woken_for_nothing) {
    order_changed_.wait_for(lock, round.stalled ? kStalledNap : interval_);
    return;
  }
  lock.unlock();
  pollfd fds[kLanesPerPump];
  nfds_t count = 0;
  {
    const std::lock_guard lanes_lock(lanes_mutex_);
    for (const auto& lane : lanes_) {
      if (lane->poll_fd() >= 0 && count < kLanesPerPump) fds[count++] = {lane->poll_fd(), POLLIN, 0};
    }
  }
  woken_early_ = ::poll(fds, count, static_cast<int>(interval_.count())) > 0;
}

}  // namespace ivtrace::agent
