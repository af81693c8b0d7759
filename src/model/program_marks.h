// What programs said themselves, by marks (include/ivtrace/mark.h, ivtrace-mark, atrace's syntax): slices of
// their threads, moments, and counters.
//
// Slices nest within a thread: an end closes the innermost open slice of its process there. One that is never
// closed ends with the run, and says so. Where events of the machine were lost within a slice, an end may be
// missing or belong to another one: the slice is doubtful.
//
// A mark belongs to the thread that it names, or else to the one that wrote it. One that came by a USDT probe
// names no process: it has the one that the thread was seen to begin in, and does not count when it is the
// echo of one that was written. Programs of a guest may write
// marks without end and with any name, so all that is kept has a bound; what went beyond is counted in
// problems().
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "base/units.h"
#include "decode/field.h"
#include "merge/run_events.h"
#include "model/mark_echoes.h"
#include "model/mark_events.h"
#include "model/thread_processes.h"
#include "run/run_reader.h"

namespace ivtrace::model {

struct MarkSlice {
  std::size_t machine = 0;  ///< index in RunReader::machines()
  std::int32_t tgid = 0;    ///< as the program has it, which may be a container's number; 0: not known
  std::int32_t tid = 0;     ///< the machine's thread
  std::uint32_t name = 0;   ///< index in ProgramMarks::names(); 0: none
  std::uint32_t depth = 0;  ///< how many slices of the thread lie around it
  HostTsc from;
  HostTsc until;
  bool open = false;      ///< it was not ended
  bool doubtful = false;  ///< events of the machine were lost within it
};

struct MarkInstant {
  std::size_t machine = 0;
  CpuId cpu;
  std::int32_t tgid = 0;
  std::int32_t tid = 0;
  std::uint32_t name = 0;
  HostTsc time;
};

/// A stretch in which a counter had one value.
struct MarkCounter {
  std::size_t machine = 0;
  std::int32_t tgid = 0;
  std::uint32_t name = 0;
  std::int64_t value = 0;
  HostTsc from;
  HostTsc until;
  bool open = false;  ///< there was no further value
};

/// Told of each when it is complete.
struct MarkSinks {
  std::function<void(const MarkSlice&)> slice;
  std::function<void(const MarkInstant&)> instant;
  std::function<void(const MarkCounter&)> counter;
};

/// Follows the marks of a run's merged events. Memory is bounded. One thread. Borrows the run and the events.
class ProgramMarks {
 public:
  ProgramMarks(const run::RunReader& run, const merge::RunEvents& events, MarkSinks sinks);

  void look(const merge::MergedEvent& event);
  /// Closes what is open. Once, behind the last event.
  void finish(HostTsc end);

  /// Any bytes.
  const std::vector<std::string>& names() const { return names_; }
  /// What was left out, a line each, for people.
  std::vector<std::string> problems() const;

  static constexpr std::size_t kMaxNames = 1u << 16;
  static constexpr std::size_t kMaxNameBytes = 256;
  static constexpr std::size_t kMaxOpen = 1u << 18;  ///< slices of all threads together
  static constexpr std::size_t kMaxDepth = 256;      ///< of one thread
  static constexpr std::size_t kMaxCounters = 1u << 16;

 private:
  struct Machine {
    std::unordered_map<std::uint16_t, MarkEvent> events;
    std::set<MarkKind> probed;  ///< of which there are probes
    ThreadProcesses processes;
    MarkEchoes echoes;
    std::uint64_t holes = 0;
  };
  /// Who it is that an event is of.
  struct Who {
    std::int32_t tgid = 0;
    std::int32_t tid = 0;
  };
  struct Open {
    MarkSlice slice;
    std::uint64_t holes = 0;  ///< of the machine when it began
  };
  using Thread = std::pair<std::size_t, std::int32_t>;  // machine, tid
  using CounterKey = std::tuple<std::size_t, std::int32_t, std::uint32_t>;

  bool is_echo(const MarkEvent& mark, Machine& machine, decode::RecordBytes record) const;
  static Who who(const MarkEvent& mark, const Machine& machine, decode::RecordBytes record);
  void begin(const merge::MergedEvent& event, const MarkEvent& mark, Who who);
  void end(const merge::MergedEvent& event, Who who);
  void instant(const merge::MergedEvent& event, const MarkEvent& mark, Who who);
  void counter(const merge::MergedEvent& event, const MarkEvent& mark, Who who);
  void close(Open& open, HostTsc until, bool ended);
  std::uint32_t name_of(const MarkEvent& mark, decode::RecordBytes record);

  MarkSinks sinks_;
  std::vector<Machine> machines_;
  std::map<Thread, std::vector<Open>> threads_;  ///< the innermost last
  std::size_t open_ = 0;
  std::map<CounterKey, MarkCounter> counters_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::uint32_t> places_;  ///< in names_
  std::uint64_t too_many_slices_ = 0;
  std::uint64_t too_many_names_ = 0;
  std::uint64_t too_many_counters_ = 0;
  std::uint64_t ends_alone_ = 0;
};

}  // namespace ivtrace::model
