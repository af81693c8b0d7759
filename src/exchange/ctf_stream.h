// One CPU's stream file of a CTF trace: packets of events, and how many events are missing.
//
// A packet's header and context, 76 bytes, as ctf_metadata.cc declares them:
//
//   0 magic u32 | 4 uuid 16 | 20 stream_id u32 | 24 begin u64 | 32 end u64 | 40 content bits u64 | 48 packet
//   bits u64 | 56 sequence u64 | 64 events_discarded u64 | 72 cpu u32
//
// events_discarded counts from the stream's start to the packet's end, and readers place what is added to it
// between the end of the packet before and the packet's own end. So a hole is a packet without events, from
// the last event before it to where events go on; and a stream that begins with a hole has an empty packet
// before it, to count from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/file_writer.h"
#include "base/result.h"
#include "exchange/ctf_metadata.h"

namespace ivtrace::exchange {

inline constexpr std::size_t kCtfPacketHead = 76;
/// A packet that has grown so far takes no more events; one event is always taken whole.
inline constexpr std::size_t kCtfPacketBytes = 256u << 10;

/// Appends packets to its file. Times are nanoseconds since the epoch; one that falls back is moved to the
/// one before. One thread. Movable.
class CtfStream {
 public:
  static Result<CtfStream> create(const std::string& path, const CtfUuid& trace, std::uint32_t cpu);

  /// `body`: the event's context and fields.
  void event(std::uint64_t time, std::uint32_t id, std::string_view body);
  /// `events` are missing between the two times.
  void lose(std::uint64_t from, std::uint64_t until, std::uint64_t events);
  /// Of what was written so far.
  const Status& status() const { return file_.status(); }
  /// Ends the last packet and the file.
  Status close();

 private:
  CtfStream(FileWriter file, const CtfUuid& trace, std::uint32_t cpu)
      : file_(std::move(file)), trace_(trace), cpu_(cpu) {}
  void begin_packet(std::uint64_t time);
  void end_packet(std::uint64_t time);
  void empty_packet(std::uint64_t from, std::uint64_t until);

  FileWriter file_;
  CtfUuid trace_;
  std::uint32_t cpu_;
  std::optional<std::uint64_t> packet_;  ///< where the open one begins
  std::uint64_t last_ = 0;               ///< time of the last event, or end of the last packet
  std::uint64_t packets_ = 0;
  std::uint64_t discarded_ = 0;
};

}  // namespace ivtrace::exchange
