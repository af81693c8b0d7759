// Which interrupts each CPU handled and when, of the host and of the guests.
//
// A slice is one handler's run, from irq_handler_entry to irq_handler_exit, or one kind of deferred work's,
// from softirq_entry to softirq_exit. They nest: an interrupt comes in the middle of deferred work, and the
// slice around it goes on. A handler whose begin or end was not seen has no slice.
//
// Source: include/trace/events/irq.h.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "decode/field.h"
#include "decode/format_file.h"
#include "decode/integer_reader.h"
#include "merge/run_events.h"
#include "run/run_reader.h"

namespace ivtrace::model {

struct IrqSlice {
  std::size_t machine = 0;  ///< index in RunReader::machines()
  CpuId cpu;
  bool soft = false;        ///< deferred work; `number` is its vector
  std::int32_t number = 0;  ///< Linux' number of the interrupt
  std::uint32_t name = 0;   ///< index in IrqSlices::names(); 0: none
  HostTsc from;
  HostTsc until;
};

/// Makes slices of a run's merged events. Memory depends on the CPUs and on the names, which are bounded. One
/// thread. Borrows events.
class IrqSlices {
 public:
  /// `sink` is called for each handler when it ends.
  IrqSlices(const run::RunReader& run, const merge::RunEvents& events,
            std::function<void(const IrqSlice&)> sink);

  void look(const merge::MergedEvent& event);
  /// Does any machine's run tell interrupts?
  bool recorded() const;
  /// Of handlers, as their drivers registered them (any bytes), and of deferred work.
  const std::vector<std::string>& names() const { return names_; }

 private:
  struct Machine {
    /// An event's id and its number's field.
    struct Known {
      std::uint16_t id = 0;
      decode::IntegerReader number;  ///< not known: the event is not recorded
    };
    Known entry, exit, soft_entry, soft_exit;
    const decode::Field* name = nullptr;
    std::vector<std::vector<IrqSlice>> cpus;  ///< by number: handlers that run, the innermost last
    std::unordered_map<std::int32_t, std::uint32_t> last_names;  ///< by interrupt
  };
  static Machine::Known known(const decode::FormatTable& formats, const char* event, const char* field);
  void enter(const merge::MergedEvent& event, Machine& machine, const Machine::Known& known, bool soft);
  void leave(const merge::MergedEvent& event, Machine& machine, const Machine::Known& known, bool soft);
  std::uint32_t name_of(Machine& machine, std::int32_t irq, decode::RecordBytes record);
  std::uint32_t place_of(std::string_view name);

  std::function<void(const IrqSlice&)> sink_;
  std::vector<Machine> machines_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::uint32_t> places_;  ///< in names_
};

}  // namespace ivtrace::model
