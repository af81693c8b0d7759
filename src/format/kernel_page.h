// The kernel's ring-buffer sub-buffer, as trace_pipe_raw hands it out (kernel/trace/ring_buffer.c,
// struct buffer_data_page; Documentation/trace/ring-buffer-map.rst).
//
//   u64 time_stamp   TSC of the first event's base
//   u64 commit       low 20 bits: bytes of events that follow; bits 30 and 31: see below
//   events           u32 headers: type_len in the low 5 bits, time delta in the other 27
//
// When events were lost before the sub-buffer, bit 31 is set, and, if there was room, their number stands as
// a u64 directly behind the events and bit 30 is set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ivtrace::format {

inline constexpr std::size_t kSubBufferHeader = 16;
inline constexpr std::uint64_t kCommitMask = (1u << 20) - 1;
inline constexpr std::uint64_t kMissedEvents = 1u << 31;
inline constexpr std::uint64_t kMissedStored = 1u << 30;
inline constexpr std::size_t kMaxSubBuffer = 256u << 10;

// type_len of an event header.
inline constexpr std::uint32_t kTypeLenMask = 31;
inline constexpr std::uint32_t kTypeLenData =
    28;  ///< 1..28: that many u32 of data; 0: length in the next u32
inline constexpr std::uint32_t kTypePadding = 29;     ///< delta 0: rest is empty; else length in the next u32
inline constexpr std::uint32_t kTypeTimeExtend = 30;  ///< adds next u32 << 27 | delta
inline constexpr std::uint32_t kTypeTimeStamp = 31;   ///< absolute: next u32 << 27 | delta, 59 bits
inline constexpr int kDeltaShift = 27;

}  // namespace ivtrace::format
