// Reading a run directory, whatever state it is in: being written, finished, cut off at any byte, or hostile.
//
// Nothing but a directory that is no run at all is an error. All that is damaged is listed in damage(), with
// the bytes that cannot be used because of it, and everything else is given.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/mapping.h"
#include "base/result.h"
#include "run/journal.h"

namespace ivtrace::run {

/// Something in the run that cannot be used.
struct Damage {
  std::string machine;                 ///< "" for the run's own files
  std::string file;                    ///< path within the run
  std::uint64_t offset = 0;            ///< where in the file
  std::optional<std::uint64_t> bytes;  ///< how much, when known
  std::string reason;
};

/// A stretch [begin, end) of a .pages file that is read in one way.
struct Segment {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  format::PageLayout layout = format::PageLayout::kSlots;
  std::uint32_t page_size = 4096;
  std::uint64_t generation = 0;
};

/// What lies before `bytes` happened before `tsc`.
struct Mark {
  HostTsc tsc;
  std::uint64_t bytes = 0;
};

/// One .pages file: its segments in rising offsets without overlap, its marks in rising time.
struct PagesFile {
  std::string machine;
  std::string buffer;
  std::uint32_t cpu = 0;
  std::string name;        ///< path within the run
  std::uint64_t size = 0;  ///< when the run was opened
  std::vector<Segment> segments;
  std::vector<Mark> marks;
};

/// A machine and all that the journal tells of it. `info.name` is a valid_machine_name().
struct Machine {
  MachineRecord info;
  std::vector<VcpuRecord> vcpus;  ///< the last record of each index
  std::vector<ThreadsRecord> threads;
  std::vector<DiskRecord> disks;       ///< the last record of each device
  std::vector<ExtentsRecord> extents;  ///< in rising time
  std::vector<GoneRecord> gone;
  std::vector<clock::Epoch> epochs;  ///< as established
  std::vector<BurstRecord> bursts;
  std::vector<CountersRecord> counters;  ///< the last of each (buffer, cpu, generation)
  std::vector<LossRecord> losses;
  std::vector<TracerRecord> tracers;           ///< the last of each (kind, id)
  std::vector<ContainmentRecord> containment;  ///< the last of each vCPU
  std::vector<PagesFile> files;                ///< by buffer, then CPU
};

/// A run as it was at the moment of open(). Immutable afterwards, so usable by several threads.
class RunReader {
 public:
  /// kNotFound or kInvalid when there is no run at `path`, kUnsupported when its schema is another version's.
  static Result<RunReader> open(const std::string& path);

  const std::string& path() const { return path_; }
  const Manifest& manifest() const { return manifest_; }
  /// The host first, guests in the order of their appearance.
  const std::vector<Machine>& machines() const { return machines_; }
  const Machine* find(const std::string& name) const;
  const std::vector<clock::Anchor>& anchors() const { return anchors_; }
  const std::vector<NoteRecord>& notes() const { return notes_; }
  /// Empty while recording, and after the recorder's death.
  const std::optional<EndRecord>& end() const { return end_; }
  /// At most kMaxDamage entries; damage_total() counts all.
  const std::vector<Damage>& damage() const { return damage_; }
  std::uint64_t damage_total() const { return damage_total_; }
  /// A checksum of manifest and journal as they were read: where it and the other files are the same, all is.
  std::uint64_t text_sum() const { return text_sum_; }
  static constexpr std::size_t kMaxDamage = 1000;

  /// Maps a file of this run, guarded against shrinking. An empty file gives a mapping that is not valid().
  Result<Mapping> map_pages(const PagesFile& file) const;
  /// <machine>/<name>, e.g. kFormatsName. kNotFound when the recorder had not written it.
  Result<std::string> read_text(const std::string& machine, const std::string& name,
                                std::size_t max_bytes = 64u << 20) const;

 private:
  friend class RunLoader;
  RunReader() = default;

  std::string path_;
  Manifest manifest_;
  std::vector<Machine> machines_;
  std::vector<clock::Anchor> anchors_;
  std::vector<NoteRecord> notes_;
  std::optional<EndRecord> end_;
  std::vector<Damage> damage_;
  std::uint64_t damage_total_ = 0;
  std::uint64_t text_sum_ = 0;
};

}  // namespace ivtrace::run
