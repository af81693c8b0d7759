// trace-cmd's files of a host and its guests as a run.
#pragma once

#include <string>
#include <vector>

#include "exchange/job.h"

namespace ivtrace::exchange {

struct ImportRequest {
  std::vector<std::string> files;  ///< the host's first
  std::string out;                 ///< the run directory
  bool force = false;              ///< replace what an import made there before
  std::vector<std::string> command_line;
};

/// In every run that an import made, so that `force` replaces nothing else.
inline constexpr const char* kImportMark = ".ivtrace-import";

/// Makes the run: whole, or not at all. Errors name the file that they are about; kInvalid when the files
/// have no event or are not of one recording. Memory does not depend on the files' lengths.
Result<Summary> import_trace_cmd(const ImportRequest& request, Progress& progress);

}  // namespace ivtrace::exchange
