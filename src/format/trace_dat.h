// The layouts of trace-cmd's files, versions 6 and 7 (sources: trace-cmd.dat.v6(5), trace-cmd.dat.v7(5)).
//
// Both begin with kMagic, the version as a text with its NUL, a byte of endianness, a byte of the size of
// `long`, and a u32: the size of a sub-buffer, which CPUs' data are aligned to. All numbers are in the file's
// byte order; only little-endian files of 64-bit kernels are of use here.
//
// Version 6 goes on in one order: header info, ftrace's formats, the events' formats, kallsyms, printk
// formats, names of tasks, u32 number of CPUs, and then a word of kWordBytes: "options  " (options up to one
// of id 0, then the next word), "flyrecord" (u64 offset and u64 size of each CPU's data), or "latency  "
// (text only). A BUFFER option says where such a word stands for another buffer.
//
// Version 7 goes on with the compression's name and version, two texts, and a u64: where the first section of
// options is. Everything else is a section, too, named by options; an option of id 0 ends a section of
// options and says where the next one is, 0 for none.
//
//   file    = magic, "7\0", endianness, long size, u32 page size, name\0, version\0, u64 first options
//   section = Section header, then `size` bytes: as the id says, or, with kCompressed, u32 size in the file,
//             u32 size in memory, compressed bytes. In a compressed buffer, each CPU's data are u32 number of
//             chunks, and each chunk is laid out as a compressed section
//   option  = u16 id, u32 size, `size` bytes
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ivtrace::format::trace_dat {

inline constexpr std::array<char, 10> kMagic = {0x17, 0x08, 0x44, 't', 'r', 'a', 'c', 'i', 'n', 'g'};
inline constexpr std::uint8_t kLittleEndian = 0;
inline constexpr std::uint8_t kLongSize = 8;
inline constexpr std::string_view kUncompressed = "none";

/// Sections have the numbers of the options that point to them. The numbers of the file, so a plain enum.
enum Id : std::uint16_t {
  kOptions = 0,         ///< the section; as an option: the section's end, u64 offset of the next one
  kDate = 1,            ///< text: microseconds to be added to times
  kCpuStat = 2,         ///< text: "CPU: N", then per_cpu/cpuN/stats
  kBuffer = 3,          ///< version 6: u64 offset of its word, name\0. Version 7: u64 offset of the section,
                        ///< name\0, clock\0, u32 page size, u32 CPUs, for each: u32 CPU, u64 offset, u64 size
  kTraceClock = 4,      ///< text of the file trace_clock: the one in brackets counts
  kUname = 5,           ///< text
  kOffset = 7,          ///< text: nanoseconds to be added to times
  kCpuCount = 8,        ///< u32
  kVersion = 9,         ///< text: what wrote it
  kTraceId = 11,        ///< u64
  kTimeShift = 12,      ///< u64 peer's trace id, u32 flags, u32 CPUs, for each: u32 samples, u64 times, s64
                        ///< offsets, u64 ratios; then, for each CPU, u64 fraction bits
  kGuest = 13,          ///< name\0, u64 trace id, u32 CPUs, for each: u32 CPU, u32 the vCPU's host thread
  kTscToNs = 14,        ///< u32 multiplier, u32 shift, u64 offset
  kStrings = 15,        ///< section: descriptions of sections, which name them by offset
  kHeaderInfo = 16,     ///< "header_page\0", u64 size, text, "header_event\0", u64 size, text
  kFtraceFormats = 17,  ///< u32 number, for each: u64 size, text
  kEventFormats = 18,   ///< u32 systems, for each: name\0, u32 events, for each: u64 size, text
  kKallsyms = 19,       ///< u32 size, text
  kPrintkFormats = 20,  ///< u32 size, text
  kCmdlines = 21,       ///< u64 size, text
};

inline constexpr std::uint16_t kCompressed = 1;    ///< a section's flag
inline constexpr std::uint32_t kInterpolated = 1;  ///< kTimeShift's flag: offsets change linearly in between

/// Before a section's bytes.
struct Section {
  std::uint16_t id;
  std::uint16_t flags;
  std::uint32_t description;  ///< offset in the strings
  std::uint64_t size;         ///< in the file, without this header
};
static_assert(sizeof(Section) == 16);
inline constexpr std::size_t kSectionSize = offsetof(Section, size);  ///< where the size is

inline constexpr std::size_t kWordBytes = 10;
inline constexpr std::string_view kOptionsWord = "options  ";
inline constexpr std::string_view kFlyrecordWord = "flyrecord";
inline constexpr std::string_view kLatencyWord = "latency  ";

}  // namespace ivtrace::format::trace_dat
