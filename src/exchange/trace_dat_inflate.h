// The compressions of trace.dat files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "exchange/trace_dat_input.h"

namespace ivtrace::exchange {

enum class Compression { kNone, kZlib, kZstd };

/// By the name in a file's head; empty for one that is not known.
std::optional<Compression> compression_of(std::string_view name);

/// What a section or chunk of a file may grow to: a kernel's symbols take some 20 MiB.
inline constexpr std::size_t kMaxInflated = 256u << 20;

/// Unpacks what follows in `in`: u32 size, u32 size unpacked, compressed bytes. kCorrupt when that is not
/// what is there, or when it would be larger than `most`.
Result<std::string> inflate(Compression compression, TraceDatInput& in, std::size_t most = kMaxInflated);

}  // namespace ivtrace::exchange
