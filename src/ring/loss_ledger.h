// Losses on their way from a data plane to its sink.
//
// A guest decides how often its ring is corrupt: a recorder that wrote one line per corrupt chunk would let
// it fill the disk. So the first losses of a kind on a CPU are told at once, and from then on only when their
// number has doubled, the rest at the end: 2^64 losses make fewer than kToldAtOnce + 65 lines, and no count
// and no byte is missing in the sum.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "ring/data_plane.h"

namespace ivtrace::ring {

/// Collects losses and tells them to a sink. Used by one thread.
/// Invariant: what was noted = what a sink took (on_loss succeeded) + what is held.
class LossLedger {
 public:
  static constexpr std::uint64_t kToldAtOnce = 16;

  /// Notes one loss. `cpu` empty: all CPUs.
  void note(std::optional<CpuId> cpu, PlaneLossReason reason, std::uint64_t bytes, std::string detail);
  /// Tells what is due. After an error the rest stays.
  Status tell(PageSink& sink);
  /// Tells everything.
  Status tell_all(PageSink& sink);

 private:
  struct Key {
    std::optional<CpuId> cpu;
    PlaneLossReason reason;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Entry {
    std::uint64_t noted = 0;  // ever
    std::uint64_t told = 0;   // in how many on_loss calls
    std::uint64_t due = 1;    // `noted` from which on the next one is told
    std::uint64_t held = 0;
    std::uint64_t held_bytes = 0;
    std::string detail;  // of the first one held
  };
  static Status tell_one(PageSink& sink, const Key& key, Entry& entry);

  std::map<Key, Entry> entries_;  // at most 4 per CPU, and the CPUs are bounded by the layout
  bool any_due_ = false;
};

}  // namespace ivtrace::ring
