// What tracers print, as events in a page file of their own.
//
// Lines come late and not in the order of their times, as bpftrace and SystemTap have a buffer for each CPU.
// They are held for a second or so and written in order; one that comes even later stands behind those that
// were written before it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "record/run_log.h"
#include "run/packed_file.h"

namespace ivtrace::record {

/// Name of the buffer.
inline constexpr const char* kLineBuffer = "lines";

/// Owns the file of one machine. Lines count towards the run's size; a guest gets no more than its share of
/// it. One thread.
class LineFile {
 public:
  LineFile(std::string machine, std::uint64_t generation, RunLog& log)
      : machine_(std::move(machine)), generation_(generation), log_(log) {}

  /// A line that happened at `tsc` of the machine's own clock: the text of a print event.
  void add(std::uint64_t tsc, std::string text);
  /// Writes the lines that happened before `tsc`.
  void write_before(std::uint64_t tsc);
  /// Writes all.
  void finish() { write_before(UINT64_MAX); }
  /// Lines that there was no room for.
  std::uint64_t lost() const { return lost_; }

 private:
  struct Line {
    std::uint64_t tsc = 0;
    std::string text;
  };
  Status write_page(std::uint64_t timestamp, std::span<const std::byte> events);
  Status open();

  const std::string machine_;
  const std::uint64_t generation_;
  RunLog& log_;
  std::vector<Line> held_;
  std::size_t held_bytes_ = 0;
  std::optional<run::PackedFileWriter> file_;
  std::uint64_t page_ = 0;
  std::uint64_t last_tsc_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t lost_ = 0;
};

/// The format of line events, for the machine's `formats`: text, and whether the time is that of its arrival.
std::string line_format(const std::string& name, std::uint16_t id);
/// The text of a print event that such a format reads back (docs/adr/0013).
std::string line_text(const std::string& event, const std::string& line, bool arrival);

}  // namespace ivtrace::record
