// Telling programs that mark the trace that a recording began or ended.
#pragma once

#include <string>
#include <string_view>

#include "format/mark_file.h"

namespace ivtrace::tracefs {

/// The tracing instances that programs write marks to: a recorder's main one, `ivtrace-<pid>`, and an
/// agent's, `ivtrace-agent-<pid>`; none of the helpers beside them.
bool takes_marks(std::string_view instance);

/// Changes the generation in the mark file, which is made with its directory when it is not there. To be
/// called after what programs write to came, began to record, or went. Best effort: without the file (a
/// read-only /run, no rights) programs look for themselves several times a second. Any thread, any process.
void signal_marks(const std::string& path = format::kMarkFile);

}  // namespace ivtrace::tracefs
