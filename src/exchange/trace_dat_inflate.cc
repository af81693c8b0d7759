#include "exchange/trace_dat_inflate.h"

#include <zlib.h>
#include <zstd.h>

namespace ivtrace::exchange {
namespace {

/// Unpacks into all of `out`; false when the bytes are broken or of another size.
bool unpack(Compression compression, std::span<const std::byte> from, std::string& out) {
  if (compression == Compression::kZlib) {
    uLongf size = out.size();
    const int code = ::uncompress(reinterpret_cast<Bytef*>(out.data()), &size,
                                  reinterpret_cast<const Bytef*>(from.data()), from.size());
    return code == Z_OK && size == out.size();
  }
  return ::ZSTD_decompress(out.data(), out.size(), from.data(), from.size()) == out.size();
}

}  // namespace

std::optional<Compression> compression_of(std::string_view name) {
  if (name == "none") return Compression::kNone;
  if (name == "zlib") return Compression::kZlib;
  if (name == "zstd") return Compression::kZstd;
  return std::nullopt;
}

Result<std::string> inflate(Compression compression, TraceDatInput& in, std::size_t most) {
  const auto packed = in.number<std::uint32_t>();
  const auto size = in.number<std::uint32_t>();
  const std::span<const std::byte> bytes = in.bytes(packed);
  if (!in.ok()) return Error(ErrorCode::kCorrupt, "cut off in compressed data");
  if (compression == Compression::kNone)
    return Error(ErrorCode::kCorrupt, "compressed data in a file without compression");
  if (size > most) return Error(ErrorCode::kCorrupt, "compressed data are larger than any real ones");
  std::string out(size, '\0');
  if (!unpack(compression, bytes, out)) return Error(ErrorCode::kCorrupt, "compressed data are broken");
  return out;
}

}  // namespace ivtrace::exchange
