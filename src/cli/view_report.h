// ivtrace view RUN --html FILE.
#pragma once

#include "base/replacement.h"
#include "base/result.h"
#include "cli/output.h"
#include "view/session.h"
#include "view/stop_source.h"

namespace ivtrace::cli {

/// Waits for the reading and the patterns, makes the page, and puts it where it shall be in one step. Tells
/// on a terminal what it is doing.
Status write_report(view::Session& session, view::StopSource& stop, Replacement& place, Streams& streams);

}  // namespace ivtrace::cli
