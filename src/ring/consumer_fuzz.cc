// A memory image as a hostile guest might leave it, then polls: input → header words, control words and ring
// bytes. Checked: no crash, no read outside of the memory, work bounded by the budget.
#include <cstdlib>

#include "ring/ring_fixture.h"

namespace {

using namespace ivtrace;
using namespace ivtrace::ring;

class BoundsSink : public PageSink {
 public:
  explicit BoundsSink(std::span<const std::byte> memory) : memory_(memory) {}
  Status on_piece(const PagePiece& piece) override {
    IVT_CHECK(piece.offset + piece.bytes.size() <= format::kMaxSubBuffer);
    IVT_CHECK(piece.bytes.data() >= memory_.data());
    IVT_CHECK(piece.bytes.data() + piece.bytes.size() <= memory_.data() + memory_.size());
    unsigned sum = 0;
    for (const std::byte byte : piece.bytes) sum += static_cast<unsigned>(byte);
    if (++pieces % 7 == 0 && sum % 3 == 0) return Error(ErrorCode::kExhausted, "disk full");
    return {};
  }
  Status on_loss(const PlaneLoss&) override { return {}; }
  unsigned pieces = 0;

 private:
  std::span<const std::byte> memory_;
};

// Takes the input from the front.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}
  std::uint64_t word(std::size_t bytes) {
    std::uint64_t word = 0;
    take(&word, std::min(bytes, sizeof word));
    return word;
  }
  std::size_t take(void* to, std::size_t bytes) {
    const std::size_t n = std::min(bytes, left_);
    std::memcpy(to, data_, n);
    data_ += n;
    left_ -= n;
    return n;
  }
  std::size_t left() const { return left_; }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

TestRing& shared_ring() {
  static TestRing ring(2);
  return ring;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  TestRing& ring = shared_ring();
  ring.producer.emplace(*Producer::format(ring.host->memory().bytes(), 2, 1));  // generation 1: easy to guess
  const SharedMemory& memory = ring.host->memory();
  auto consumer = ring.attach();
  BoundsSink sink(memory.bytes());
  Input input(data, size);
  while (input.left() > 0) {
    const std::uint64_t choice = input.word(1);
    const Geometry geometry = consumer->geometry();
    const CpuId cpu(static_cast<std::uint32_t>(choice >> 4) % geometry.cpu_count);
    format::CpuControl& control = memory.control(geometry, cpu);
    switch (choice % 6) {
      case 0:  // any word of page 0
        __atomic_store_n(reinterpret_cast<std::uint64_t*>(memory.bytes().data() + 8 * (input.word(1) % 24)),
                         input.word(8), __ATOMIC_RELAXED);
        break;
      case 1:  // head, near or anywhere
        control.head = choice & 8 ? input.word(8) : control.head + input.word(2);
        break;
      case 2: {  // raw bytes where the next chunk is expected
        const auto bytes = memory.ring(geometry, cpu);
        const std::uint64_t place = control.tail % bytes.size();
        input.take(bytes.data() + place, std::min<std::uint64_t>(bytes.size() - place, input.word(1)));
        break;
      }
      case 3: {  // a chunk with a plausible header
        format::ChunkHeader chunk{.magic = format::kChunkMagic,
                                  .bytes = static_cast<std::uint32_t>(input.word(3)),
                                  .generation = geometry.generation,
                                  .sequence = input.word(1),
                                  .page = input.word(1),
                                  .offset = static_cast<std::uint32_t>(input.word(2)),
                                  .flags = static_cast<std::uint32_t>(input.word(1)),
                                  .missed = input.word(1)};
        const auto bytes = memory.ring(geometry, cpu);
        const std::uint64_t place = control.head % bytes.size() & ~7ull;
        std::memcpy(bytes.data() + place, &chunk,
                    std::min<std::uint64_t>(sizeof chunk, bytes.size() - place));
        control.head = control.head + format::chunk_span(chunk.bytes % 3000);
        break;
      }
      case 4:
        consumer->skip_all();
        break;
      default: {
        const std::uint64_t budget = input.word(2);
        const auto progress = consumer->poll(sink, budget);
        if (progress) IVT_CHECK(progress->bytes <= budget + format::kMaxSubBuffer);
      }
    }
    consumer->fill();
  }
  (void)consumer->poll(sink, kNoBudget).ok();
  (void)consumer->finish(sink).ok();
  return 0;
}
