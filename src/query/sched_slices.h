// Who has each CPU at each moment, of the host and of the guests, by sched_switch.
//
// A slice is from one switch of a CPU to the next. What a CPU does before its first switch is not known, nor
// between events that were lost and the next switch.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "merge/run_events.h"
#include "model/sched_events.h"
#include "run/run_reader.h"

namespace ivtrace::query {

/// Why a slice ended.
enum class SliceEnd : std::uint8_t {
  kRunnable,  ///< the thread would have gone on
  kAsleep,
  kDead,
  kOpen,  ///< not seen: the run ended, or events were lost
};
const char* to_string(SliceEnd end);

struct SchedSlice {
  std::size_t machine = 0;  ///< index in RunReader::machines()
  CpuId cpu;
  model::Task task;
  HostTsc from;
  HostTsc until;
  SliceEnd end = SliceEnd::kOpen;
};

/// Makes slices of a run's merged events. One thread.
class SchedSlices {
 public:
  /// `sink` is called for each finished slice: those of one CPU in their order.
  SchedSlices(const run::RunReader& run, std::function<void(const SchedSlice&)> sink);

  /// `seen`: what the event tells, as SchedEvents of its machine read it.
  void look(const merge::MergedEvent& event, const model::SchedEvents::Seen& seen);
  void lose(const merge::MergedEvent& event);
  /// Ends what is open, at the time of the run's last event.
  void finish(HostTsc at);

 private:
  struct Running {
    bool known = false;
    model::Task task;
    HostTsc since;
  };
  using Cpus = std::vector<Running>;  ///< by number
  void close(std::size_t machine, std::size_t cpu, HostTsc until, SliceEnd end);

  std::function<void(const SchedSlice&)> sink_;
  std::vector<Cpus> machines_;
};

}  // namespace ivtrace::query
