// One machine's CTF trace: a folder with the metadata and a stream file for each CPU.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "decode/comm_source.h"
#include "decode/comm_table.h"
#include "decode/format_file.h"
#include "exchange/ctf_event.h"
#include "exchange/ctf_metadata.h"
#include "exchange/ctf_stream.h"
#include "merge/stream.h"

namespace ivtrace::exchange {

/// Writes one machine's events in the order in which they come; times are nanoseconds since the epoch. The
/// folder is made for the first of them. Memory depends on the number of CPUs and kinds of events. Borrows
/// the formats. One thread.
class CtfMachine {
 public:
  /// `cmdlines`: "pid comm" lines, the names that threads have at the start.
  CtfMachine(CtfTrace trace, std::string folder, const decode::FormatTable& formats,
             std::string_view cmdlines);

  Status event(std::uint64_t time, std::uint32_t cpu, std::uint16_t id, decode::RecordBytes record);
  /// A hole that ends at `time` and began at `from`.
  Status loss(std::uint64_t time, std::uint64_t from, const merge::LossMarker& loss);
  /// The first failure of a stream so far.
  Status status() const;
  /// Ends the streams and writes the metadata, if there was anything.
  Status close();

  const std::string& name() const { return trace_.machine; }
  /// Events that could only be kept as bytes.
  std::uint64_t unreadable() const { return unreadable_; }

 private:
  struct Kind {
    std::optional<CtfEvent> fields;  ///< empty: there is no format
    std::vector<decode::CommSource> comms;
    bool written = false;
  };

  Kind& kind(std::uint16_t id);
  Result<CtfStream*> stream(std::uint32_t cpu);
  void put_context(std::int32_t tid, std::string_view comm, std::uint8_t flags, std::uint8_t preempt_count);
  void put_unreadable(std::uint16_t id, decode::RecordBytes record);
  CtfEvents written_events() const;

  CtfTrace trace_;
  std::string folder_;
  const decode::FormatTable& formats_;
  decode::CommTable comms_;
  std::vector<std::unique_ptr<Kind>> kinds_;    // by id
  std::map<std::uint32_t, CtfStream> streams_;  // by CPU
  std::uint64_t unreadable_ = 0;
  std::string body_;  // of the event at work
};

}  // namespace ivtrace::exchange
