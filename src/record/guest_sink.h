// Where a guest's sub-buffers and losses go: packed page files and the journal.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "record/run_log.h"
#include "ring/data_plane.h"
#include "run/packed_file.h"
#include "run/run_reader.h"

namespace ivtrace::record {

/// Saves what a data plane delivers of one guest. Used by one thread at a time.
///
/// The guest is hostile: its streams together may write half of the run's size, then they are dropped and
/// counted, and the other machines go on. What comes when the run's limit is reached is dropped and counted,
/// too.
class GuestSink : public ring::PageSink {
 public:
  GuestSink(std::string machine, RunLog& log) : machine_(std::move(machine)), log_(log) {}

  /// The streams start anew: page numbers from 0, a segment of its own in each file, made with the first
  /// page.
  void start_segments(std::uint64_t generation);
  /// Goes on with the segments of that generation that a dead recorder left in `files`.
  void resume_segments(std::uint64_t generation, const std::vector<run::PagesFile>& files);

  Status on_piece(const ring::PagePiece& piece) override;
  Status on_loss(const ring::PlaneLoss& loss) override;
  /// Writes the losses that are summed up into the journal. At the end of a recording.
  void finish();

  /// Bytes written.
  std::uint64_t bytes() const { return bytes_; }
  bool over_share() const { return dropped_since_.value != 0; }
  bool lost_anything() const { return lost_; }
  std::vector<run::MarkRecord::File> sizes() const;

 private:
  struct Stream {
    std::optional<run::PackedFileWriter> file;
    bool segment_pending = true;
    std::optional<std::uint64_t> resume_from;  // where the dead recorder's segment starts
  };
  Result<Stream*> stream(CpuId cpu);
  void start_dropping(const std::string& reason, const std::string& why);

  std::string machine_;
  RunLog& log_;
  std::uint64_t generation_ = 0;
  std::map<std::uint32_t, Stream> streams_;
  std::uint64_t bytes_ = 0;
  HostTsc dropped_since_;            // 0: nothing is dropped
  std::uint64_t dropped_bytes_ = 0;  // not yet in the journal
  std::string drop_reason_;
  std::string drop_detail_;
  std::uint64_t headless_bytes_ = 0;  // continuations without their start
  bool lost_ = false;
};

}  // namespace ivtrace::record
