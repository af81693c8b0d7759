#include "ring/cpu_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "format/kernel_page.h"
#include "ring/shared_memory.h"

namespace ivtrace::ring {

using format::ChunkHeader;

CpuReader::CpuReader(CpuId cpu, format::CpuControl& control, std::span<std::byte> ring,
                     std::uint64_t generation, std::uint64_t from)
    : cpu_(cpu), control_(&control), ring_(ring), generation_(generation) {
  // acquire: pairs with the release store of head in CpuProducer::push
  const std::uint64_t head = control_->head.load(std::memory_order_acquire);
  const bool possible = from % 8 == 0 && head - from <= ring_.size();
  tail_ = possible ? from : head;
  resumed_ = possible && from != 0;
  publish();
}

void CpuReader::publish() {
  published_ = tail_;
  // release: pairs with the acquire load of tail in CpuProducer::make_room; our loads of the bytes come
  // before
  control_->tail.store(tail_, std::memory_order_release);
}

void CpuReader::skip_all() {
  // acquire: pairs with the release store of head in CpuProducer::push
  tail_ = control_->head.load(std::memory_order_acquire);
  expect_ = Expect::kAwaitStart;
  resumed_ = false;
  page_open_ = false;
  publish();
}

void CpuReader::resync(LossLedger& ledger, const std::string& corruption) {
  // acquire: pairs with the release store of head in CpuProducer::push
  const std::uint64_t head = control_->head.load(std::memory_order_acquire);
  const std::uint64_t skipped = head - tail_;
  ledger.note(cpu_, PlaneLossReason::kCorruptChunk, skipped <= ring_.size() ? skipped : 0, corruption);
  tail_ = head;
  expect_ = Expect::kAny;  // also while a start was awaited: it may have been among the skipped
  resumed_ = false;
  page_open_ = false;
  publish();
}

double CpuReader::fill() const {
  // relaxed: a figure to show
  const std::uint64_t used = control_->head.load(std::memory_order_relaxed) - tail_;
  return std::min(1.0, static_cast<double>(used) / static_cast<double>(ring_.size()));
}

// Why the chunk breaks the layout, or null. `available`: bytes between tail and head.
const char* CpuReader::judge(const ChunkHeader& chunk, std::uint64_t place, std::uint64_t available) const {
  if (chunk.magic != format::kChunkMagic) return "no chunk where one must start";
  if (chunk.generation != generation_) return "a chunk of another generation";
  const std::uint64_t span = format::chunk_span(chunk.bytes);  // 32 bits of payload: no overflow
  if (span > available) return "a chunk that ends behind head";
  if (span > ring_.size() - place) return "a chunk that crosses the ring's end";
  if ((chunk.flags & format::kChunkPadding) != 0) {
    return span == ring_.size() - place ? nullptr : "padding that does not reach the ring's end";
  }
  if (chunk.bytes > format::kMaxSubBuffer || chunk.offset > format::kMaxSubBuffer - chunk.bytes) {
    return "a chunk beyond the largest sub-buffer";
  }
  if (chunk.offset == 0 && chunk.bytes < format::kSubBufferHeader) return "a sub-buffer without its header";
  return nullptr;
}

// Judges the chunk's sequence and place in its sub-buffer. True: deliver it. Running it again for the same
// chunk, after the sink failed, notes nothing twice.
bool CpuReader::accept(const ChunkHeader& chunk, LossLedger& ledger) {
  const bool start = chunk.sequence == 0 && chunk.offset == 0;
  if (expect_ == Expect::kAwaitStart && !start) return false;
  if (expect_ == Expect::kFollowing && !start && chunk.sequence != next_sequence_) {
    ledger.note(cpu_, PlaneLossReason::kSequenceGap, 0,
                fmt::format("chunk {} came where {} was due", chunk.sequence, next_sequence_));
    page_open_ = false;
  }
  expect_ = Expect::kFollowing;
  next_sequence_ = chunk.sequence;  // one more once it is taken
  if (chunk.offset == 0 || resumed_) return true;
  if (page_open_ && chunk.page == page_ && chunk.offset == next_offset_) return true;
  ledger.note(
      cpu_, PlaneLossReason::kSequenceGap, format::chunk_span(chunk.bytes),
      fmt::format("a continuation of page {} at {} without what goes before", chunk.page, chunk.offset));
  page_open_ = false;
  ++next_sequence_;
  return false;
}

Status CpuReader::deliver(const ChunkHeader& chunk, std::uint64_t place, PageSink& sink,
                          DataPlane::Progress& progress) {
  PagePiece piece;
  piece.cpu = cpu_;
  piece.page = chunk.page;
  piece.offset = chunk.offset;
  piece.bytes = ring_.subspan(place + sizeof(ChunkHeader), chunk.bytes);
  piece.sealed = (chunk.flags & format::kChunkSealed) != 0;
  piece.missed =
      chunk.offset == 0 && (chunk.flags & (format::kChunkMissed | format::kChunkMissedCounted)) != 0;
  if (piece.missed && (chunk.flags & format::kChunkMissedCounted) != 0) piece.missed_count = chunk.missed;
  IVT_RETURN_IF_ERROR(sink.on_piece(piece));
  resumed_ = false;
  page_open_ = !piece.sealed;
  page_ = chunk.page;
  next_offset_ = chunk.offset + chunk.bytes;
  next_sequence_ = chunk.sequence + 1;
  progress.bytes += chunk.bytes;
  ++progress.pieces;
  return {};
}

Result<CpuReader::Turn> CpuReader::poll(PageSink& sink, LossLedger& ledger, std::uint64_t budget,
                                        DataPlane::Progress& progress) {
  Turn turn;
  // acquire: pairs with the release store of head in CpuProducer::push; the chunks' bytes are behind it.
  // Loaded once: what the guest publishes meanwhile is for the next turn.
  const std::uint64_t head = control_->head.load(std::memory_order_acquire);
  const auto broken = [&](const char* how) {
    publish();
    turn.corrupt = true;
    turn.corruption = fmt::format("{} at position {}, head {}", how, tail_, head);
    return turn;
  };
  if (head == tail_) return turn;
  if (head - tail_ > ring_.size()) return broken("more published than the ring holds");
  if ((head | tail_) % 8 != 0) return broken("a position that is no multiple of 8");

  while (tail_ != head) {
    if (turn.work != 0 && turn.work >= budget) {
      turn.more = true;
      break;
    }
    const std::uint64_t available = head - tail_;
    const std::uint64_t place = tail_ % ring_.size();
    const std::uint64_t to_end = ring_.size() - place;
    if (to_end < sizeof(ChunkHeader)) {  // too little for a header: skipped without one
      if (to_end > available) return broken("a head in the ring's unusable end");
      tail_ += to_end;
      turn.work += to_end;
      continue;
    }
    if (available < sizeof(ChunkHeader)) return broken("a head within a chunk's header");
    ChunkHeader chunk;
    copy_words(&chunk, ring_.data() + place, sizeof chunk);
    if (const char* how = judge(chunk, place, available); how != nullptr) return broken(how);
    const std::uint64_t span = format::chunk_span(chunk.bytes);
    if ((chunk.flags & format::kChunkPadding) == 0) {
      if (accept(chunk, ledger)) {
        // A gap is told right here, before the piece behind it.
        Status taken = ledger.tell(sink);
        if (taken) taken = deliver(chunk, place, sink, progress);
        if (!taken) {
          publish();
          return std::move(taken).error();
        }
      }
    }
    tail_ += span;
    turn.work += span;
    // The producer gets room in eighths of the ring: often enough not to stall, rarely enough for its cache
    // line.
    if (tail_ - published_ >= ring_.size() / 8) publish();
  }
  publish();
  return turn;
}

}  // namespace ivtrace::ring
