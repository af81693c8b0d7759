// GET request and GET block: one request, and what became of it.
#pragma once

#include <cstdint>

#include "view/answer.h"
#include "view/session.h"

namespace ivtrace::view {

/// A guest's request. kNotFound when there is none of that number.
Result<Json> request_json(Session& session, StopSource& stop, std::int64_t id);
/// A request of the host's (or a guest's own, as its block device saw it). kNotFound likewise.
Result<Json> block_json(Session& session, StopSource& stop, std::int64_t row);

}  // namespace ivtrace::view
