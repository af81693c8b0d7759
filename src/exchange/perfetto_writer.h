// A trace of Perfetto's: packets of one sequence in one file, each of them whole in itself.
//
// Slices are a begin and an end on a track; what is begun on a track last ends first. Readers sort packets by
// time, and keep the file's order where times are equal: so whoever writes a track's events in their order
// may write one track after the other.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/file_writer.h"
#include "base/result.h"
#include "query/table.h"

namespace ivtrace::exchange {

/// Names of tracks and slices are cut to so many bytes, texts of notes to more.
inline constexpr std::size_t kPerfettoName = 160;
inline constexpr std::size_t kPerfettoText = 4096;

/// `text` as UTF-8, of at most `limit` bytes; what is cut off is told by "…".
std::string perfetto_text(std::string_view text, std::size_t limit);

using PerfettoTrack = std::uint64_t;

/// A word and its value, shown where a slice is looked at. NULL values are left out.
struct PerfettoNote {
  std::string_view name;
  query::Cell value;
};

/// What a slice or a marker says. Borrows all.
struct PerfettoLabel {
  std::string_view name;
  std::span<const PerfettoNote> notes = {};
  std::span<const std::uint64_t> flows = {};         ///< arrows that begin here
  std::span<const std::uint64_t> ending_flows = {};  ///< arrows that end here
};

/// Appends packets to a file that it owns. Times are nanoseconds since the run's start. Texts may be hostile.
/// One thread. Movable.
class PerfettoWriter {
 public:
  /// `monotonic` and `realtime`: what these clocks of the host showed at the run's start, ns.
  static Result<PerfettoWriter> create(const std::string& path, std::int64_t monotonic,
                                       std::int64_t realtime);

  /// A track that others stand below, shown as a process; `order`: its place, from 1, and its number.
  PerfettoTrack process(std::string_view name, std::int32_t order);
  /// `parent` 0: none. Tracks of one name and parent are shown as one with several lanes.
  PerfettoTrack track(PerfettoTrack parent, std::string_view name, std::int32_t rank);
  PerfettoTrack counter(PerfettoTrack parent, std::string_view name, std::int32_t rank);

  void begin(PerfettoTrack track, std::int64_t time, const PerfettoLabel& label);
  void end(PerfettoTrack track, std::int64_t time);
  void instant(PerfettoTrack track, std::int64_t time, const PerfettoLabel& label);
  void value(PerfettoTrack track, std::int64_t time, std::int64_t value);

  const Status& status() const { return file_.status(); }
  Status close() { return file_.close(); }

 private:
  PerfettoWriter(FileWriter file, std::int64_t monotonic) : file_(std::move(file)), monotonic_(monotonic) {}
  void put_clocks(std::int64_t realtime);
  PerfettoTrack describe(PerfettoTrack parent, std::string_view name, std::int32_t rank, bool is_counter);
  void put_event(PerfettoTrack track, std::int64_t time, std::int32_t type, const PerfettoLabel* label,
                 const std::int64_t* value);
  void put_packet();

  FileWriter file_;
  std::int64_t monotonic_;
  PerfettoTrack tracks_ = 0;
  std::string packet_;  // at work
};

}  // namespace ivtrace::exchange
