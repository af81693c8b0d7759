// What `ivtrace record` says when it is done.
#pragma once

#include <string>

#include "cli/containment.h"
#include "record/recorder.h"

namespace ivtrace::cli {

/// What was recorded, what is lost, how right the guests' clocks are, how the command ended, and what to do
/// next.
std::string record_summary_text(const record::RecordSummary& summary, const Containments& containments);

}  // namespace ivtrace::cli
