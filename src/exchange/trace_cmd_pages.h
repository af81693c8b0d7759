// One CPU's events into a trace.dat: the kernel's own sub-buffers where they can stay as they are, made anew
// where not.
//
// A sub-buffer stays as it is when its machine's TSC and the host's differ by one number in all of the CPU's
// time (that number is the CPU's TIME_SHIFT), and every event of it is wanted, in order and whole. Others are
// made of the events that `ivtrace report` would show, at the edges of a range for example. A guest's CPU
// with another clock (scaled, or in several epochs) is made anew altogether, in the host's time: libtracecmd
// multiplies in 64 bits, which a scaled TSC does not fit, and knows of no time in which either of two epochs
// may hold.
#pragma once

#include <cstdint>
#include <optional>

#include "clock/clock_map.h"
#include "exchange/job.h"
#include "exchange/thread_names.h"
#include "exchange/trace_dat_writer.h"
#include "merge/stream.h"
#include "run/page_encoder.h"
#include "run/run_reader.h"

namespace ivtrace::exchange {

/// What became of the events.
struct PageTally {
  std::uint64_t events = 0;        ///< written
  std::uint64_t without_time = 0;  ///< left out: no clock relation holds at their time
  std::uint64_t too_large = 0;     ///< left out: no sub-buffer holds them
  bool holes = false;              ///< events had been lost before
};

/// The times of a CPU of which the host's are its own less one number.
struct PlainClock {
  std::uint64_t offset = 0;  ///< own = host + offset, modulo 2^64
  std::uint64_t begin = 0;   ///< no own time before it has a host time
  std::uint64_t first = 0;   ///< own times that are asked for …
  std::uint64_t last = 0;    ///< … up to and including this one
};
/// That of the host (nullptr) or of a guest's CPU; empty when its clock is another one.
std::optional<PlainClock> plain_clock(const clock::GuestClock* guest, CpuId cpu,
                                      const merge::TimeRange& range);

/// A part of a work whose progress is shown. Borrows.
struct ProgressPart {
  Progress& progress;
  double begin = 0;
  double length = 1;

  /// Shows it; query::interrupted_error() when it shall end.
  Status at(double done) const {
    progress.at("writing", begin + length * done);
    return progress.check();
  }
};

/// Writes the CPU that the writer has begun. Borrows everything. One thread.
class PageCopy {
 public:
  PageCopy(TraceDatWriter& out, ThreadNames& names, PageTally& tally, const ProgressPart& progress)
      : out_(out), names_(names), tally_(tally), progress_(progress), encoder_(out.page_size()) {}

  /// Sub-buffer by sub-buffer; `pages` is the file's bytes.
  Status copy(const run::PagesFile& file, std::span<const std::byte> pages, const PlainClock& clock);
  /// Event by event, in the host's time, from the stream's current item on; `span` is what it may hold.
  Status encode(merge::EventStream& stream, const merge::TimeRange& span);

 private:
  struct Walk;
  void take(Walk& walk, const decode::PageImage& page);
  bool stays(const Walk& walk, const decode::PageImage& page, std::uint64_t& events, std::uint64_t& last);
  void pick(Walk& walk, const decode::PageImage& page);
  void lose(std::optional<std::uint64_t> events);
  void add(std::uint64_t time, decode::RecordBytes record);
  void flush();

  TraceDatWriter& out_;
  ThreadNames& names_;
  PageTally& tally_;
  ProgressPart progress_;
  run::PageEncoder encoder_;
  run::Missed missed_;  ///< before the next sub-buffer that is written
};

/// Whether TSC values of the file are small enough for copy(): absolute time stamps of the kernel's have 59
/// bits, and libtracecmd does not know the rest.
bool has_plain_times(const run::PagesFile& file, std::span<const std::byte> pages);

}  // namespace ivtrace::exchange
