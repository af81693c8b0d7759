#include "exchange/ctf_stream.h"

#include <algorithm>

namespace ivtrace::exchange {
namespace {

constexpr std::uint64_t kEndAt = 32, kContentAt = 40, kPacketAt = 48;

}  // namespace

Result<CtfStream> CtfStream::create(const std::string& path, const CtfUuid& trace, std::uint32_t cpu) {
  IVT_ASSIGN_OR_RETURN(FileWriter file, FileWriter::create(path));
  return CtfStream(std::move(file), trace, cpu);
}

void CtfStream::event(std::uint64_t time, std::uint32_t id, std::string_view body) {
  time = std::max(time, last_);
  if (!packet_) begin_packet(time);
  last_ = time;
  file_.append_value(id);
  file_.append_value(time);
  file_ << body;
  if (file_.offset() - *packet_ >= kCtfPacketBytes) end_packet(time);
}

void CtfStream::lose(std::uint64_t from, std::uint64_t until, std::uint64_t events) {
  if (packet_) end_packet(last_);
  from = std::max(from, last_);
  if (packets_ == 0) empty_packet(from, from);
  discarded_ += events;
  empty_packet(from, std::max(from, until));
}

Status CtfStream::close() {
  if (packet_) end_packet(last_);
  return file_.close();
}

void CtfStream::empty_packet(std::uint64_t from, std::uint64_t until) {
  begin_packet(from);
  end_packet(until);
}

void CtfStream::begin_packet(std::uint64_t time) {
  packet_ = file_.offset();
  file_.append_value(kCtfMagic);
  file_.append_value(trace_);
  file_.append_value(kCtfStreamId);
  file_.append_value(time);
  for (int i = 0; i < 3; ++i) file_.append_value(std::uint64_t{0});  // end and sizes, when they are known
  file_.append_value(packets_++);
  file_.append_value(discarded_);
  file_.append_value(cpu_);
}

void CtfStream::end_packet(std::uint64_t time) {
  const std::uint64_t bits = (file_.offset() - *packet_) * 8;
  file_.patch_value(*packet_ + kEndAt, time);
  file_.patch_value(*packet_ + kContentAt, bits);
  file_.patch_value(*packet_ + kPacketAt, bits);
  packet_.reset();
  last_ = time;
  file_.spill();  // here only, so that a packet's head is always in the buffer
}

}  // namespace ivtrace::exchange
