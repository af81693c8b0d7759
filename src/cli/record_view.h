// What `ivtrace record` says when it is done.
#pragma once

#include <string>

#include "record/recorder.h"

namespace ivtrace::cli {

/// What was recorded, what is lost, how the command ended, and what to do next.
std::string record_summary_text(const record::RecordSummary& summary);

}  // namespace ivtrace::cli
