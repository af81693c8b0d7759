// The run directory's names and the framing of its page files; docs/format/run.md is the page for people.
//
//   run.ivt/manifest.json            written once, by rename
//   run.ivt/journal.jsonl            one JSON object per line, appended; a torn last line is ignored
//   run.ivt/<machine>/cpuN.pages     the main buffer's sub-buffers of CPU N
//   run.ivt/<machine>/<buffer>.cpuN.pages   the same of another buffer
//   run.ivt/<machine>/formats        the formats of the recorded events (framing below)
//   run.ivt/<machine>/kallsyms, cmdlines, printk_formats
//   run.ivt/.cache/…                 what a query found out and keeps; may be removed at any time
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace ivtrace::format {

inline constexpr int kRunSchema = 1;
inline constexpr const char* kManifestName = "manifest.json";
inline constexpr const char* kJournalName = "journal.jsonl";
inline constexpr const char* kFormatsName = "formats";
inline constexpr const char* kKallsymsName = "kallsyms";
inline constexpr const char* kCmdlinesName = "cmdlines";
inline constexpr const char* kPrintkFormatsName = "printk_formats";
inline constexpr const char* kHostMachine = "host";
inline constexpr const char* kCacheName = ".cache";  ///< no machine's: it starts with a dot

/// How a .pages file is framed. kSlots: whole sub-buffers of the kernel's size, one after the other, as
/// splice() moves them; the used part is told by each one's commit word. kPacked: a PackedPage before each
/// image, images cut to the bytes used; the last image may grow while recording.
enum class PageLayout { kSlots, kPacked };

enum PackedFlags : std::uint32_t {
  kPackedMissed = 1u << 0,         ///< events were lost before this page
  kPackedMissedCounted = 1u << 1,  ///< `missed` says how many
};

/// Precedes each image of a packed file. `bytes` counts the image with its 16-byte sub-buffer header. It is
/// raised *before* the bytes are appended, so a file that ends early is cut, never misread: a reader takes
/// what is there.
struct PackedPage {
  std::uint32_t bytes;
  std::uint32_t flags;
  std::uint64_t missed;
  std::uint64_t page;  ///< sequence number of the sub-buffer in its stream, from 0 in each segment
};
static_assert(sizeof(PackedPage) == 24);

/// Name of a .pages file within the machine's folder; `buffer` is empty for the main buffer.
std::string pages_file_name(const std::string& buffer, std::uint32_t cpu);

/// True when `name` may be a machine's folder: 1..64 of [A-Za-z0-9._-], not starting with a dot.
bool valid_machine_name(const std::string& name);
/// `wanted` (a guest's own idea of its name) made into a valid machine name; never empty, never "host".
std::string to_machine_name(const std::string& wanted);

}  // namespace ivtrace::format
