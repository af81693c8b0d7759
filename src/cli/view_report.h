// ivtrace view RUN --html FILE.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/output.h"
#include "view/session.h"
#include "view/stop_source.h"

namespace ivtrace::cli {

/// kBusy when there is something at `path` and it may not be replaced. To be asked before the work, too.
Status may_write_report(const std::string& path, bool force);

/// Waits for the reading and the patterns, makes the page, and puts it where it shall be in one step. Tells
/// on a terminal what it is doing.
Status write_report(view::Session& session, view::StopSource& stop, const std::string& path, bool force,
                    Streams& streams);

}  // namespace ivtrace::cli
