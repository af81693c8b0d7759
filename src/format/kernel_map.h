// The meta page in front of a mapped ring buffer (include/uapi/linux/trace_mmap.h, struct trace_buffer_meta;
// Linux ≥ 6.10).
#pragma once

#include <cstddef>
#include <cstdint>

namespace ivtrace::format {

/// Written by the kernel, and only within the mapper's own TRACE_MMAP_IOCTL_GET_READER.
struct MappedMeta {
  std::uint32_t meta_page_size;  ///< bytes in front of sub-buffer 0
  std::uint32_t meta_struct_len;
  std::uint32_t subbuf_size;  ///< bytes of a sub-buffer, header included
  std::uint32_t nr_subbufs;
  std::uint64_t
      lost_events;  ///< kernels that do not mark the commit word: events lost at the last swap that lost any
  std::uint32_t reader_id;    ///< the sub-buffer that the reader owns
  std::uint32_t reader_read;  ///< bytes of its events that GET_READER has consumed
  std::uint64_t flags;
  std::uint64_t entries;
  std::uint64_t overrun;  ///< events overwritten since the buffer was made
  std::uint64_t read;
};
static_assert(offsetof(MappedMeta, lost_events) == 16 && offsetof(MappedMeta, reader_id) == 24 &&
              offsetof(MappedMeta, overrun) == 48 && sizeof(MappedMeta) == 64);

/// ioctl TRACE_MMAP_IOCTL_GET_READER: _IO('R', 0x20).
inline constexpr unsigned long kGetReader = 0x5220;

}  // namespace ivtrace::format
