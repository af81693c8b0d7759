#include "record/tracer_port.h"

#include <algorithm>
#include <utility>

#include "base/base64.h"

namespace ivtrace::record {
namespace {

constexpr Nanoseconds kLimit{10'000'000'000};

}  // namespace

void LocalTracers::restart() {
  set_ = std::make_unique<tracers::TracerSet>();
  received_ = 0;
}

Status LocalTracers::put_file(std::uint32_t id, const std::string& name, std::string_view bytes) {
  return set_->put_file(id, name, 0, bytes);
}

Status LocalTracers::compile(std::uint32_t id, const std::vector<std::string>& options) {
  return set_->compile(id, options);
}

Status LocalTracers::start(std::uint32_t id, const std::string& kind,
                           const std::vector<std::string>& arguments) {
  return set_->start(id, kind, arguments);
}

Result<format::Reply> LocalTracers::poll() {
  format::Reply reply;
  set_->poll(received_, reply);
  received_ += reply.lines.size();
  return reply;
}

Result<format::Reply> LocalTracers::stop() {
  set_->stop();
  return poll();
}

Result<format::Reply> GuestTracers::request(const format::Request& request) {
  IVT_ASSIGN_OR_RETURN(format::Reply reply, ask_(request, kLimit));
  if (!reply.ok) return Error(format::error_code_of(reply.code), reply.message, reply.hint);
  return reply;
}

Status GuestTracers::put_file(std::uint32_t id, const std::string& name, std::string_view bytes) {
  std::size_t offset = 0;
  do {
    const std::string_view piece = bytes.substr(offset, format::kTracerFilePiece);
    format::Request part;
    part.op = format::Op::kTracerFile;
    part.tracer = id;
    part.tracer_name = name;
    part.offset = offset;
    part.data = base64_encode(std::as_bytes(std::span(piece)));
    if (const auto reply = request(part); !reply) return reply.error();
    offset += piece.size();
  } while (offset < bytes.size());
  return {};
}

Status GuestTracers::compile(std::uint32_t id, const std::vector<std::string>& options) {
  format::Request compile;
  compile.op = format::Op::kTracerCompile;
  compile.tracer = id;
  compile.arguments = options;
  if (const auto reply = request(compile); !reply) return reply.error();
  return {};
}

Status GuestTracers::start(std::uint32_t id, const std::string& kind,
                           const std::vector<std::string>& arguments) {
  format::Request start;
  start.op = format::Op::kTracerStart;
  start.tracer = id;
  start.tracer_kind = kind;
  start.arguments = arguments;
  if (const auto reply = request(start); !reply) return reply.error();
  return {};
}

// A reply that does not arrive is asked for again: the agent keeps what we do not say that we have.
Result<format::Reply> GuestTracers::take(format::Op op) {
  format::Request ask;
  ask.op = op;
  ask.offset = received_;
  IVT_ASSIGN_OR_RETURN(format::Reply reply, request(ask));
  received_ += reply.lines.size();
  return reply;
}

Result<format::Reply> GuestTracers::poll() { return take(format::Op::kTracerPoll); }

Result<format::Reply> GuestTracers::stop() { return take(format::Op::kTracerStop); }

}  // namespace ivtrace::record
