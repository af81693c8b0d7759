// The names of a recorded machine's addresses.
#pragma once

#include <string>

#include "decode/kallsyms.h"
#include "run/run_reader.h"

namespace ivtrace::merge {

/// Names for a machine's addresses. A help only: without them, or with nonsense in them, numbers are shown.
decode::Symbols load_symbols(const run::RunReader& run, const std::string& machine);

}  // namespace ivtrace::merge
