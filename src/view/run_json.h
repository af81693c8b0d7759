// GET run and GET findings, as docs/view-api.md has them.
#pragma once

#include "view/answer.h"
#include "view/session.h"

namespace ivtrace::view {

Json run_json(const Session& session);
/// kBusy until the patterns have been tried.
Result<Json> findings_json(const Session& session);

}  // namespace ivtrace::view
