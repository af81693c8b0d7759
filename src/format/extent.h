// Where a disk's bytes lie, as the run directory keeps it: lines of
//
//   guest_offset bytes major:minor device_offset
//
// in decimal; all but the device in bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ivtrace::format {

/// A stretch of a guest's disk. All but `device` in bytes.
struct Extent {
  std::uint64_t guest_offset = 0;
  std::uint64_t bytes = 0;
  std::uint32_t device = 0;  ///< the kernel's dev_t (major << 20 | minor), as block events have it
  std::uint64_t device_offset = 0;

  friend bool operator==(const Extent&, const Extent&) = default;
};

/// Appends a whole line.
void append_extent(std::string& text, const Extent& extent);
/// Nothing when the line, without its newline, is none of an extent. Each offset and length is at most 2^62:
/// sums of two stay in range.
std::optional<Extent> parse_extent(std::string_view line);

}  // namespace ivtrace::format
