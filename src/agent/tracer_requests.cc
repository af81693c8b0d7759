#include "agent/tracer_requests.h"

#include <string>

#include "agent/reply.h"
#include "base/base64.h"

namespace ivtrace::agent {
namespace {

format::Reply done(const Status& status) { return status ? format::Reply{} : failure(status.error()); }

Status put_file(tracers::TracerSet& set, const format::Request& request) {
  IVT_ASSIGN_OR_RETURN(const std::string bytes, base64_decode(request.data));
  return set.put_file(request.tracer, request.tracer_name, request.offset, bytes);
}

}  // namespace

format::Reply answer_tracers(tracers::TracerSet& set, const format::Request& request) {
  if (request.op == format::Op::kTracerFile) return done(put_file(set, request));
  if (request.op == format::Op::kTracerCompile) return done(set.compile(request.tracer, request.arguments));
  if (request.op == format::Op::kTracerStart)
    return done(set.start(request.tracer, request.tracer_kind, request.arguments));
  if (request.op == format::Op::kTracerStop) set.stop();
  format::Reply reply;
  set.poll(request.offset, reply);
  return reply;
}

}  // namespace ivtrace::agent
