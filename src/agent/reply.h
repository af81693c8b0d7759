// What a request that failed is answered with.
#pragma once

#include "base/result.h"
#include "format/mailbox_message.h"

namespace ivtrace::agent {

inline format::Reply failure(const Error& error) {
  format::Reply reply;
  reply.ok = false;
  reply.code = format::error_code_name(error.code);
  reply.message = error.message;
  reply.hint = error.hint;
  return reply;
}

}  // namespace ivtrace::agent
