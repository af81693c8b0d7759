#include "ring/consumer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/tsc.h"

namespace ivtrace::ring {
namespace {

constexpr std::chrono::seconds kSilenceOfTheDead{3};
constexpr std::size_t kMaxHeartbeats = 256;

// Loads a byte of each page, so that a file that shrank below the piece raises the mapping's lost flag.
void touch(std::span<const std::byte> bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += 512) {
    static_cast<void>(
        __atomic_load_n(reinterpret_cast<const unsigned char*>(bytes.data() + at), __ATOMIC_RELAXED));
  }
}

// Passes pieces on and tells a sink's own failure from one that is the ring file's: a write() straight from a
// mapping whose file shrank fails with EFAULT, and no SIGBUS tells of it.
class GuardedSink : public PageSink {
 public:
  explicit GuardedSink(PageSink& sink) : sink_(sink) {}
  Status on_piece(const PagePiece& piece) override {
    Status status = sink_.on_piece(piece);
    if (!status) touch(piece.bytes);
    return status;
  }
  Status on_loss(const PlaneLoss& loss) override { return sink_.on_loss(loss); }

 private:
  PageSink& sink_;
};

}  // namespace

Result<std::unique_ptr<CopyRing>> CopyRing::attach(HostRing& host) {
  IVT_ASSIGN_OR_RETURN(const Geometry geometry, read_geometry(host.memory().bytes(), host.name()));
  std::unique_ptr<CopyRing> ring(new CopyRing(host, geometry));
  ring->build_readers(Start::kWhereLeft);
  host.beat();
  return ring;
}

CopyRing::CopyRing(HostRing& host, const Geometry& geometry)
    : host_(&host),
      geometry_(geometry),
      looked_(read_tsc()),
      heartbeat_moved_(std::chrono::steady_clock::now()) {
  // relaxed: only that it moves matters
  last_heartbeat_ = host.memory().header().agent_heartbeat.load(std::memory_order_relaxed);
}

void CopyRing::build_readers(Start start) {
  readers_.clear();
  readers_.reserve(geometry_.cpu_count);
  const SharedMemory& memory = host_->memory();
  for (std::uint32_t i = 0; i < geometry_.cpu_count; ++i) {
    format::CpuControl& control = memory.control(geometry_, CpuId(i));
    // relaxed: the recorder before us is gone, its last store was long ago
    const std::uint64_t from = start == Start::kWhereLeft ? control.tail.load(std::memory_order_relaxed) : 0;
    readers_.emplace_back(CpuId(i), control, memory.ring(geometry_, CpuId(i)), geometry_.generation, from);
    if (start == Start::kNewRecording) readers_.back().skip_all();
  }
  next_cpu_ = 0;
  stored_after_ = HostTsc(0);  // another agent's beats do not follow each other with this one's
}

void CopyRing::skip_all() {
  for (CpuReader& reader : readers_) reader.skip_all();
}

// True when the memory holds the generation that the readers are made for.
Result<bool> CopyRing::follow_generation() {
  if (host_->memory().holds(geometry_.generation)) return true;
  auto fresh = read_geometry(host_->memory().bytes(), host_->name());
  if (!fresh) {
    if (fresh.error().code == ErrorCode::kNotFound) return false;  // being formatted right now
    return std::move(fresh).error();
  }
  if (fresh->generation == geometry_.generation) return false;  // torn look; the next poll sees more
  ledger_.note(std::nullopt, PlaneLossReason::kNewGeneration, 0,
               fmt::format("the agent formatted the ring anew, generation {:x} after {:x}", fresh->generation,
                           geometry_.generation));
  geometry_ = *fresh;
  build_readers(Start::kNewRecording);
  return true;
}

Result<DataPlane::Progress> CopyRing::lose_mapping(PageSink& sink) {
  if (!loss_of_mapping_noted_) {
    loss_of_mapping_noted_ = true;
    ledger_.note(std::nullopt, PlaneLossReason::kMappingLost, 0, host_->name() + " shrank or went away");
  }
  IVT_RETURN_IF_ERROR(ledger_.tell_all(sink));
  return Error(
      ErrorCode::kGone, host_->name() + " shrank or went away while it was read",
      "do not resize or truncate the file below a running guest; restart the guest to trace it again");
}

// The agent may be held up for long between reading its TSC and storing it, so that a beat was not there yet
// at the look before says nothing about when it was read. But it read it after it had stored the beat before
// that one.
void CopyRing::watch_heartbeat() {
  const HostTsc begin(read_tsc());
  // relaxed: it goes with no other word
  const std::uint64_t heartbeat = host_->memory().header().agent_heartbeat.load(std::memory_order_relaxed);
  const HostTsc last_look = std::exchange(looked_, begin);
  if (heartbeat == last_heartbeat_) return;
  last_heartbeat_ = heartbeat;
  heartbeat_moved_ = std::chrono::steady_clock::now();
  if (stored_after_.value != 0) {
    if (heartbeats_.size() >= kMaxHeartbeats) heartbeats_.erase(heartbeats_.begin());
    heartbeats_.push_back({GuestTsc(heartbeat), stored_after_, HostTsc(read_tsc())});
  }
  stored_after_ = last_look;
}

std::vector<Heartbeat> CopyRing::take_heartbeats() { return std::exchange(heartbeats_, {}); }

// False: the budget is used up.
Result<bool> CopyRing::poll_cpu(std::size_t index, PageSink& sink, std::uint64_t budget, Progress& progress,
                                std::uint64_t& work) {
  IVT_ASSIGN_OR_RETURN(const CpuReader::Turn turn,
                       readers_[index].poll(sink, ledger_, budget - work, progress));
  work += turn.work;
  // What looks broken in the middle of being formatted anew is none of this generation's.
  if (turn.corrupt && !host_->lost() && host_->memory().holds(geometry_.generation)) {
    readers_[index].resync(ledger_, turn.corruption);
  }
  return work < budget && !turn.more;
}

Result<DataPlane::Progress> CopyRing::poll(PageSink& sink, std::uint64_t budget) {
  if (host_->lost()) return lose_mapping(sink);
  host_->beat();
  watch_heartbeat();
  IVT_ASSIGN_OR_RETURN(const bool ready, follow_generation());
  IVT_RETURN_IF_ERROR(ledger_.tell(sink));
  Progress progress;
  if (!ready) return progress;

  GuardedSink guarded(sink);
  std::uint64_t work = 0;
  const std::size_t first = next_cpu_;
  for (std::size_t step = 0; step < readers_.size(); ++step) {
    const std::size_t index = (first + step) % readers_.size();
    const auto within_budget = poll_cpu(index, guarded, budget, progress, work);
    if (host_->lost()) return lose_mapping(sink);
    if (!within_budget) return within_budget.error();
    if (!*within_budget) {
      progress.more = true;
      next_cpu_ = (index + 1) % readers_.size();
      break;
    }
  }
  IVT_RETURN_IF_ERROR(ledger_.tell(sink));
  return progress;
}

double CopyRing::fill() const {
  double fullest = 0;
  for (const CpuReader& reader : readers_) fullest = std::max(fullest, reader.fill());
  return fullest;
}

Nanoseconds CopyRing::agent_silence() const {
  const auto silence = std::chrono::steady_clock::now() - heartbeat_moved_;
  return Nanoseconds(std::chrono::duration_cast<std::chrono::nanoseconds>(silence).count());
}

bool CopyRing::agent_alive() const {
  return agent_silence().value < std::chrono::nanoseconds(kSilenceOfTheDead).count();
}

}  // namespace ivtrace::ring
