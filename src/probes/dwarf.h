// A program's own description of its functions, DWARF: their parameters.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "probes/elf_file.h"
#include "probes/parameters.h"

namespace ivtrace::probes {

/// The function whose code begins at `address`. Where the file has no debug information, the one that
/// Debian's -dbgsym packages install for its build-id is read. kUnsupported when there is none, kNotFound
/// when it does not tell.
Result<FunctionType> dwarf_function(const ElfFile& file, std::uint64_t address);

}  // namespace ivtrace::probes
