// GET range: what happened in a stretch of time, as tables.
#pragma once

#include <cstdint>

#include "view/answer.h"
#include "view/session.h"

namespace ivtrace::view {

Result<Json> range_json(Session& session, StopSource& stop, std::int64_t from_ns, std::int64_t until_ns);

}  // namespace ivtrace::view
