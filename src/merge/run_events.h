// A run's events, all machines in one order on the host's clock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mapping.h"
#include "base/result.h"
#include "clock/clock_map.h"
#include "decode/format_file.h"
#include "decode/text_event.h"
#include "merge/merger.h"
#include "merge/stream.h"
#include "run/run_reader.h"

namespace ivtrace::merge {

/// Which part of a run is wanted. Empty lists mean everything.
struct Filter {
  std::vector<std::string> machines;
  std::vector<std::uint32_t> cpus;
  TimeRange range;
  /// Put machines (and CPUs) without a trustworthy clock into the order by an assumption: that their first
  /// event happened when the run started. Their events say so (MergedEvent::aligned).
  bool include_unaligned = false;
};

/// The merged events of one opened run. Owns the mappings, format tables and clocks; borrows the reader,
/// which must outlive it. One thread. Memory depends on the number of CPUs and formats, not on the run's
/// length.
///
/// Texts that mean an event (decode/text_event.h) are given as that event: the pages have the text, formats()
/// the event's format.
///
/// Holes stand at their place: those that the pages tell, and those of the journal and its counters. What the
/// counters tell without a time (events that the kernel dropped, that were left unread, all losses of a CPU
/// without pages) stands at the end, with the whole run as its range.
class RunEvents {
 public:
  /// kNotFound when a machine of the filter is not in the run. What else cannot be used (a file that cannot
  /// be mapped, a guest that is not aligned) is left out and told in notices().
  static Result<RunEvents> open(const run::RunReader& reader, const Filter& filter);

  /// The next event or hole, times never falling; false at the end.
  [[gnu::always_inline]] bool next(MergedEvent& event) {
    if (!merger_->next(event)) return false;
    // Print events have one of the kernel's lowest ids.
    if (event.id <= last_text_id_) [[unlikely]]
      translate(event);
    return true;
  }

  /// One line each, for people, about what is left out or not as it should be.
  const std::vector<std::string>& notices() const { return notices_; }
  /// Machines (by name) that were left out, in part at least, for want of a clock.
  const std::vector<std::string>& unaligned() const { return unaligned_; }
  /// Every stream, in the order in which ties are decided: machine, buffer, CPU.
  const std::vector<std::unique_ptr<EventStream>>& streams() const { return streams_; }
  /// The machine's formats, by its index in the reader; nullptr when it is not part of the filter.
  const decode::FormatTable* formats(std::size_t machine) const { return formats_[machine].get(); }
  /// The guest's clock, by its index in the reader; nullptr for the host or when it is not part of the
  /// filter.
  const clock::GuestClock* guest_clock(std::size_t machine) const { return clocks_[machine].get(); }

 private:
  /// A mapped file, cut into its segments.
  struct OpenFile {
    const run::PagesFile* file = nullptr;
    std::vector<StreamSegment> segments;
  };

  RunEvents() = default;
  void add_machine(const run::RunReader& reader, std::size_t index, const Filter& filter);
  void read_formats(const run::RunReader& reader, std::size_t index);
  void read_clock(const run::Machine& machine, std::size_t index);
  std::vector<OpenFile> open_files(const run::RunReader& reader, const run::Machine& machine,
                                   const Filter& filter);
  /// Nothing when the CPU has no clock and none is assumed; both are noted.
  std::optional<TimeConverter> converter_of(const run::Machine& machine, std::size_t index, CpuId cpu,
                                            std::optional<std::uint64_t> assumed);
  void translate(MergedEvent& event);
  void add_losses(const run::RunReader& reader, std::size_t index, const Filter& filter);

  std::vector<std::unique_ptr<decode::FormatTable>> formats_;
  std::vector<std::unique_ptr<decode::TextEvents>> texts_;  ///< nullptr: the machine has none
  std::uint16_t last_text_id_ = 0;                          ///< the greatest print event's id of all machines
  std::vector<std::unique_ptr<clock::GuestClock>> clocks_;
  std::vector<Mapping> mappings_;
  std::vector<std::unique_ptr<EventStream>> streams_;
  std::unique_ptr<Merger> merger_;
  std::vector<std::string> notices_;
  std::vector<std::string> unaligned_;
};

}  // namespace ivtrace::merge
