// Reading trace.dat files of version 6 and 7 (format/trace_dat.h). They may be of anybody: every size and
// offset is checked, and memory is bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "exchange/trace_dat_inflate.h"
#include "exchange/tsc_to_ns.h"

namespace ivtrace::exchange {

/// How a guest's CPU's clock was seen to differ from the host's, at one moment of its own.
struct TimeSample {
  std::uint64_t time = 0;
  std::int64_t offset = 0;  ///< host's less own
  std::uint64_t ratio = 1;  ///< KVM's, with `frac_bits`; 1 with none is "not scaled"
  std::uint64_t frac_bits = 0;
};

struct TimeShift {
  std::uint64_t peer = 0;     ///< trace id of the host's file
  bool interpolated = false;  ///< between two samples the offset changes linearly
  std::vector<std::vector<TimeSample>> cpus;
};

struct TraceDatGuest {
  std::string name;
  std::uint64_t trace_id = 0;
  /// (guest's CPU, host thread of its vCPU).
  std::vector<std::pair<std::uint32_t, std::int32_t>> vcpus;
};

/// One CPU's sub-buffers in the file.
struct TraceDatCpu {
  std::uint32_t cpu = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

struct TraceDatBuffer {
  std::string name;   ///< "" for the main buffer
  std::string clock;  ///< "" when nothing is told
  std::uint32_t page_size = 0;
  bool compressed = false;
  std::vector<TraceDatCpu> cpus;  ///< those with data
};

/// What a file tells. Owns its texts; `file` is borrowed.
struct TraceDat {
  std::span<const std::byte> file;
  Compression compression = Compression::kNone;
  std::uint32_t page_size = 0;
  std::uint32_t cpu_count = 0;
  std::string formats;  ///< as decode/format_file.h has them
  std::string kallsyms;
  std::string printk_formats;
  std::string cmdlines;
  std::string uname;
  std::string clock;  ///< of the main buffer, "" when nothing is told
  std::uint64_t trace_id = 0;
  std::optional<TimeShift> time_shift;
  std::optional<TscToNs> speed;
  std::int64_t offset_ns = 0;           ///< to be added to all times
  std::optional<std::int64_t> date_ns;  ///< to be added to get the wall clock
  std::vector<TraceDatGuest> guests;
  std::vector<std::string> cpu_stats;
  std::vector<TraceDatBuffer> buffers;
  std::uint64_t event_bytes = 0;  ///< of all buffers' CPUs, in the file
};

/// kInvalid when it is no trace.dat, kUnsupported for what is not read (another version, byte order, long
/// size or compression; a text of the latency tracers), kCorrupt when it breaks its format. Messages do not
/// name the file.
Result<TraceDat> read_trace_dat(std::span<const std::byte> file);

/// One CPU's sub-buffers, unpacked, in pieces. Borrows the file. One thread.
class TraceDatPieces {
 public:
  TraceDatPieces(const TraceDat& dat, const TraceDatBuffer& buffer, const TraceDatCpu& cpu);

  /// The next piece, which holds until the next call; an empty one at the end.
  Result<std::span<const std::byte>> next();

 private:
  TraceDatInput in_;
  Compression compression_;
  bool compressed_;
  std::uint32_t chunks_ = 0;
  std::string chunk_;
};

}  // namespace ivtrace::exchange
