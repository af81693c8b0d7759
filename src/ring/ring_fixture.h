// What the ring's tests, fuzzers and benchmarks share: a ring in anonymous memory, sub-buffers whose content
// tells their name, and a sink that keeps what it gets and checks the data plane's promises.
#pragma once

#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/mapping.h"
#include "format/kernel_page.h"
#include "ring/consumer.h"
#include "ring/host_ring.h"
#include "ring/producer.h"

namespace ivtrace::ring {

/// The image of sub-buffer `page` on `cpu`: every word is a function of cpu, page and its place.
inline std::vector<std::byte> page_image(std::uint32_t cpu, std::uint64_t page, std::size_t bytes) {
  std::vector<std::byte> image(bytes);
  std::uint64_t word = (page + 1) * 0x9e3779b97f4a7c15ull + cpu * 0xbf58476d1ce4e5b9ull;
  for (std::size_t i = 0; i < bytes; ++i) {
    if (i % 8 == 0) word = word * 6364136223846793005ull + 1442695040888963407ull;
    image[i] = static_cast<std::byte>(word >> (8 * (i % 8)));
  }
  return image;
}

/// Keeps pages and losses. Stops the program when a piece breaks what PagePiece promises.
class KeepingSink : public PageSink {
 public:
  struct Page {
    std::uint32_t cpu = 0;
    std::uint64_t page = 0;
    std::vector<std::byte> image;
    bool sealed = false;
    bool missed = false;
    std::optional<std::uint64_t> missed_count;
  };

  Status on_piece(const PagePiece& piece) override {
    if (fail_next > 0 && --fail_next == 0) return Error(ErrorCode::kExhausted, "disk full");
    IVT_CHECK(piece.offset + piece.bytes.size() <= format::kMaxSubBuffer);
    IVT_CHECK(piece.offset != 0 || piece.bytes.size() >= format::kSubBufferHeader);
    std::vector<std::byte> copy((piece.bytes.size() + 7) & ~std::size_t{7});
    copy_words(copy.data(), piece.bytes.data(), copy.size());
    copy.resize(piece.bytes.size());
    Page*& open = open_[piece.cpu.value];
    if (piece.offset == 0) {
      pages.push_back(
          {piece.cpu.value, piece.page, std::move(copy), piece.sealed, piece.missed, piece.missed_count});
      open = &pages.back();
    } else {
      IVT_CHECK(open != nullptr && !open->sealed && open->page == piece.page);
      IVT_CHECK(open->image.size() == piece.offset);
      open->image.insert(open->image.end(), copy.begin(), copy.end());
      open->sealed = piece.sealed;
    }
    bytes += piece.bytes.size();
    return {};
  }
  Status on_loss(const PlaneLoss& loss) override {
    losses.push_back(loss);
    return {};
  }
  std::uint64_t losses_of(PlaneLossReason reason) const {
    std::uint64_t count = 0;
    for (const PlaneLoss& loss : losses) count += loss.reason == reason ? loss.count : 0;
    return count;
  }
  void forget() {
    pages.clear();
    losses.clear();
    open_.clear();
  }

  std::deque<Page> pages;
  std::vector<PlaneLoss> losses;
  std::uint64_t bytes = 0;
  int fail_next = 0;  // n: the n-th piece from now fails

 private:
  std::map<std::uint32_t, Page*> open_;
};

/// Bytes of shared memory in which each of `cpus` rings has `ring_bytes`.
inline std::size_t memory_for(std::uint32_t cpus, std::size_t ring_bytes = format::kMinCpuRing) {
  return format::kControlOffset + cpus * (format::kRingPage + ring_bytes);
}

/// A producer and a host over the same anonymous memory.
struct TestRing {
  explicit TestRing(std::uint32_t cpus, std::size_t ring_bytes = format::kMinCpuRing) : cpu_count(cpus) {
    auto mapping = Mapping::anonymous(memory_for(cpus, ring_bytes));
    IVT_CHECK(mapping.ok());
    host = HostRing::of_mapping(*std::move(mapping), "test ring");
    start_agent();
  }
  /// As an agent's start does; also as its restart.
  void start_agent() {
    auto made = Producer::format(host->memory().bytes(), cpu_count, random_nonce());
    IVT_CHECK(made.ok());
    producer.emplace(*std::move(made));
  }
  std::unique_ptr<CopyRing> attach() {
    auto ring = CopyRing::attach(*host);
    IVT_CHECK(ring.ok());
    return *std::move(ring);
  }
  /// Pushes a whole sub-buffer in one sealed chunk.
  bool push(std::uint32_t cpu, std::uint64_t page, std::size_t bytes) {
    return producer->cpu(CpuId(cpu)).push(page, 0, page_image(cpu, page, bytes), format::kChunkSealed);
  }

  std::uint32_t cpu_count;
  std::unique_ptr<HostRing> host;
  std::optional<Producer> producer;
};

inline constexpr std::uint64_t kNoBudget = ~0ull;

}  // namespace ivtrace::ring
