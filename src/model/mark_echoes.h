// Marks that came twice: a program that may write to trace_marker writes its mark, and then passes the USDT
// point of the same mark, where a probe may be set. The second event is an echo of the first.
//
// Nothing in an echo says so but its place: within a thread it follows its mark, with nothing between them
// but what a signal handler marked meanwhile, echoes included. So a thread's marks whose echo has not come
// yet are a stack, and a probed one that is of a kind in it is the echo of the innermost such. Where
// events were lost, echoes may be among them: what was waited for before is waited for no more, and a mark
// whose text was lost counts by its probe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "model/mark_events.h"
#include "model/tid_map.h"

namespace ivtrace::model {

/// Of one machine. Memory is bounded by the number of threads that Linux can have. One thread.
class MarkEchoes {
 public:
  /// A thread wrote a mark, to whose kind a probe is set.
  void written(std::int32_t writer, MarkKind kind);
  /// A thread passed a point: is it the echo of what it wrote?
  bool is_echo(std::int32_t thread, MarkKind kind);
  /// Events were lost.
  void forget() { threads_.clear(); }

 private:
  /// Of a thread; beyond these the outermost is forgotten.
  struct Pending {
    static constexpr std::size_t kMost = 7;
    std::uint8_t count = 0;
    std::array<MarkKind, kMost> kinds{};
  };
  TidMap<Pending> threads_;
};

}  // namespace ivtrace::model
