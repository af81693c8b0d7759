#include "record/guest_sink.h"

#include <utility>

#include "base/text.h"
#include "base/tsc.h"

namespace ivtrace::record {

void GuestSink::start_segments(std::uint64_t generation) {
  generation_ = generation;
  for (auto& [cpu, stream] : streams_) {
    stream.segment_pending = true;
    stream.resume_from.reset();
  }
}

void GuestSink::resume_segments(std::uint64_t generation, const std::vector<run::PagesFile>& files) {
  start_segments(generation);
  for (const run::PagesFile& file : files) {
    if (file.segments.empty() || file.segments.back().generation != generation) continue;
    Stream& stream = streams_[file.cpu];
    stream.segment_pending = false;
    stream.resume_from = file.segments.back().begin;
  }
}

// The CPU's stream with its file open and its segment in the journal.
Result<GuestSink::Stream*> GuestSink::stream(CpuId cpu) {
  Stream& stream = streams_[cpu.value];
  if (!stream.file.has_value()) {
    IVT_ASSIGN_OR_RETURN(UniqueFd fd, log_.writer().open_pages(machine_, "", cpu.value));
    const std::string what = machine_ + "/" + format::pages_file_name("", cpu.value);
    auto file = stream.resume_from ? run::PackedFileWriter::resume(std::move(fd), *stream.resume_from, what)
                                   : run::PackedFileWriter::create(std::move(fd), what);
    if (!file) return std::move(file).error();
    stream.file = *std::move(file);
  }
  if (stream.segment_pending) {
    run::SegmentRecord segment;
    segment.machine = machine_;
    segment.cpu = cpu.value;
    segment.offset = stream.file->start_segment();
    segment.layout = format::PageLayout::kPacked;
    segment.generation = generation_;
    IVT_RETURN_IF_ERROR(log_.writer().append(segment));
    stream.segment_pending = false;
  }
  return &stream;
}

Status GuestSink::on_piece(const ring::PagePiece& piece) {
  const std::uint64_t cost = piece.bytes.size() + sizeof(format::PackedPage);
  SpaceBudget& space = log_.space();
  const bool dropping = dropped_since_.value != 0;
  if (!dropping && bytes_ + cost > space.guest_share()) {
    start_dropping("size-limit", "the guest's half of the run's size was used up");
  } else if (!dropping && !space.take(cost)) {
    space.check();
    start_dropping(space.reason(), space.detail());
  }
  if (dropped_since_.value != 0) {
    // Taken out of the ring all the same: an agent that is asked to stop waits for room in it.
    dropped_bytes_ += piece.bytes.size();
    return {};
  }
  auto opened = stream(piece.cpu);
  Result<run::PieceOutcome> outcome = run::PieceOutcome::kNoStart;
  if (opened) {
    outcome = (*opened)->file->add({piece.page, piece.offset, piece.bytes, piece.missed, piece.missed_count});
  } else {
    outcome = opened.error();
  }
  if (!outcome) {
    space.trip(outcome.error().code == ErrorCode::kExhausted ? "disk-full" : "write-failed",
               outcome.error().message);
    return std::move(outcome).error();
  }
  if (*outcome == run::PieceOutcome::kWritten) bytes_ += cost;
  if (*outcome == run::PieceOutcome::kNoStart) {
    headless_bytes_ += piece.bytes.size();
    lost_ = true;
  }
  return {};
}

void GuestSink::start_dropping(const std::string& reason, const std::string& why) {
  dropped_since_ = HostTsc(read_tsc());
  drop_reason_ = reason;
  drop_detail_ = why;
  lost_ = true;
  log_.note(machine_, why + ": the rest of its events is dropped");
}

Status GuestSink::on_loss(const ring::PlaneLoss& loss) {
  // A new generation is journalled by the session, which knows why; what was lost with it has no number.
  run::LossRecord record;
  record.machine = machine_;
  if (loss.cpu) record.cpu = loss.cpu->value;
  record.reason = ring::to_string(loss.reason);
  if (loss.bytes > 0) record.bytes = loss.bytes;
  record.until = HostTsc(read_tsc());
  record.detail = loss.count > 1 ? std::to_string(loss.count) + " times, first: " + loss.detail : loss.detail;
  lost_ = true;
  return log_.writer().append(record);
}

void GuestSink::finish() {
  const auto tell = [&](const std::string& reason, std::uint64_t bytes, std::optional<HostTsc> from,
                        const std::string& detail) {
    run::LossRecord record;
    record.machine = machine_;
    record.reason = reason;
    record.bytes = bytes;
    record.from = from;
    record.until = HostTsc(read_tsc());
    record.detail = detail;
    log_.put(record);
  };
  if (dropped_bytes_ > 0) tell(drop_reason_, dropped_bytes_, dropped_since_, drop_detail_);
  if (headless_bytes_ > 0)
    tell("no-page-start", headless_bytes_, std::nullopt, "continuations of sub-buffers whose start was lost");
  dropped_bytes_ = 0;
  headless_bytes_ = 0;
}

std::vector<run::MarkRecord::File> GuestSink::sizes() const {
  std::vector<run::MarkRecord::File> files;
  for (const auto& [cpu, stream] : streams_) {
    if (stream.file) files.push_back({machine_, "", cpu, stream.file->size()});
  }
  return files;
}

}  // namespace ivtrace::record
