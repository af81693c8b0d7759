// The numbers of the fields of Perfetto's trace format that we write (protos/perfetto/trace/*.proto of its
// sources).
#pragma once

#include <protozero/types.hpp>

namespace ivtrace::exchange::perfetto {

enum class Trace : protozero::pbf_tag_type { kPacket = 1 };

enum class TracePacket : protozero::pbf_tag_type {
  kClockSnapshot = 6,
  kTimestamp = 8,
  kSequence = 10,  ///< trusted_packet_sequence_id
  kTrackEvent = 11,
  kSequenceFlags = 13,
  kTimestampClock = 58,
  kTrackDescriptor = 60
};
inline constexpr std::uint32_t kIncrementalStateCleared = 1;

enum class ClockSnapshot : protozero::pbf_tag_type { kClock = 1, kPrimaryClock = 2 };
enum class Clock : protozero::pbf_tag_type { kId = 1, kTimestamp = 2 };
inline constexpr std::uint32_t kRealtime = 1;
inline constexpr std::uint32_t kMonotonic = 3;

enum class TrackDescriptor : protozero::pbf_tag_type {
  kUuid = 1,
  kName = 2,
  kProcess = 3,
  kParent = 5,
  kCounter = 8,
  kChildOrdering = 11,
  kOrderRank = 12
};
inline constexpr std::int32_t kExplicitOrder = 3;

enum class ProcessDescriptor : protozero::pbf_tag_type { kPid = 1, kSortIndex = 3, kName = 6 };
enum class CounterDescriptor : protozero::pbf_tag_type { kUnit = 3 };
inline constexpr std::int32_t kUnitCount = 2;

enum class TrackEvent : protozero::pbf_tag_type {
  kNote = 4,  ///< debug_annotations
  kType = 9,
  kTrack = 11,
  kName = 23,
  kCounterValue = 30,
  kFlow = 47,
  kEndingFlow = 48  ///< terminating_flow_ids
};
inline constexpr std::int32_t kSliceBegin = 1;
inline constexpr std::int32_t kSliceEnd = 2;
inline constexpr std::int32_t kInstant = 3;
inline constexpr std::int32_t kCounterType = 4;

enum class Note : protozero::pbf_tag_type { kInteger = 4, kReal = 5, kText = 6, kName = 10 };

}  // namespace ivtrace::exchange::perfetto
