// Takes the chunks out of one CPU's byte ring. All that the guest wrote is judged here.
//
// What the reader expects of the chunk at its tail:
//
//              skip_all()
//   ANY ─────────────────────▶ AWAIT_START
//    │ first chunk                  │ sequence 0, offset 0; others are dropped: an earlier recording's
//    ▼                              ▼
//   FOLLOWING(sequence) ◀───────────┘
//    │  ▲ sequence as expected: deliver; another: a gap is noted, then deliver;
//    │  └─┘ 0: a recording begins, deliver
//    └──▶ ANY   (from every state) the layout is broken: all up to head is skipped and noted
//
// Independently, a continuation (offset ≠ 0) is delivered only directly behind its predecessor; without one
// it is noted and dropped, until a chunk with offset 0 begins the next sub-buffer. The very first chunk of a
// reader that goes on where another one left is delivered as it is: the one before may have saved what goes
// before it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/units.h"
#include "format/ivring.h"
#include "ring/data_plane.h"
#include "ring/loss_ledger.h"

namespace ivtrace::ring {

/// One CPU's consumer. Borrows the control page and the ring; used by one thread.
/// Invariants: its position is private and authoritative, the shared tail only mirrors it, after the sink's
/// success; every chunk header is copied once and judged on the copy; each step moves the position on by at
/// least 8 bytes towards a head that was loaded once, or ends the turn.
class CpuReader {
 public:
  /// What became of a turn.
  struct Turn {
    std::uint64_t work = 0;  ///< ring bytes looked at, headers and padding included
    bool more = false;       ///< ended by the budget
    bool corrupt = false;    ///< the layout is broken; the owner decides whether to call resync()
    std::string corruption;  ///< how
  };

  /// `from`: where to start, if that can be; else at the head.
  CpuReader(CpuId cpu, format::CpuControl& control, std::span<std::byte> ring, std::uint64_t generation,
            std::uint64_t from);

  /// Delivers chunks until there is none, `budget` ring bytes are used up, or the layout is broken. Takes at
  /// least one chunk, whatever the budget. An error is the sink's; what was delivered before it is released.
  Result<Turn> poll(PageSink& sink, LossLedger& ledger, std::uint64_t budget, DataPlane::Progress& progress);
  /// Skips everything that is there now; the next delivered chunk is the first of a new recording.
  void skip_all();
  /// Skips everything that is there now after corruption, and notes it.
  void resync(LossLedger& ledger, const std::string& corruption);
  double fill() const;

 private:
  enum class Expect { kAny, kAwaitStart, kFollowing };

  const char* judge(const format::ChunkHeader& chunk, std::uint64_t place, std::uint64_t available) const;
  bool accept(const format::ChunkHeader& chunk, LossLedger& ledger);
  Status deliver(const format::ChunkHeader& chunk, std::uint64_t place, PageSink& sink,
                 DataPlane::Progress& progress);
  void publish();

  CpuId cpu_;
  format::CpuControl* control_;
  std::span<std::byte> ring_;
  std::uint64_t generation_;
  std::uint64_t tail_ = 0;
  std::uint64_t published_ = 0;
  Expect expect_ = Expect::kAny;
  std::uint64_t next_sequence_ = 0;
  bool resumed_ = false;  // goes on where another reader left, and nothing was delivered or skipped yet
  // The sub-buffer whose continuation may come.
  bool page_open_ = false;
  std::uint64_t page_ = 0;
  std::uint32_t next_offset_ = 0;
};

}  // namespace ivtrace::ring
