// Which guest's disk a place on a host's device belongs to.
//
// From the extents that the recorder wrote at the recording's beginning and end. An image may have moved or
// grown between the two, so both are looked at, and what follows from both is one extent. A place may have
// more than one claimant, and which of them had a request there tells the true one.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "model/block_events.h"
#include "run/run_reader.h"

namespace ivtrace::model {

/// A disk of a guest.
struct GuestDisk {
  std::size_t machine = 0;  ///< index in RunReader::machines()
  std::size_t disk = 0;     ///< index in Machine::disks

  friend auto operator<=>(const GuestDisk&, const GuestDisk&) = default;
};

/// A part of a host's range as the guest calls it. The device is not known here: `range.device` is 0.
struct DiskPart {
  GuestDisk disk;
  SectorRange range;
};

/// Immutable once built; any thread.
class DiskMap {
 public:
  explicit DiskMap(const run::RunReader& run);

  /// All parts of disks that lie in a range of a host's device.
  void find(const SectorRange& host, std::vector<DiskPart>& parts) const;
  /// Has the disk any place?
  bool knows(const GuestDisk& disk) const { return bytes_.contains(disk); }
  static constexpr std::size_t kMaxExtents = 4u << 20;  ///< of all files
  /// One line each, for people: what has no known place, and extents that could not be read.
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  struct Extent {
    std::uint64_t first = 0;  ///< sector on the host's device
    std::uint64_t count = 0;
    std::uint64_t guest_first = 0;
    GuestDisk disk;

    std::uint64_t end() const { return first + count; }
  };
  struct Device {
    std::vector<Extent> extents;      ///< by first sector
    std::vector<std::uint64_t> ends;  ///< the largest end of all extents up to each
  };
  static void join(std::vector<Extent>& extents);
  void read_file(const run::RunReader& run, const GuestDisk& disk, const run::ExtentsRecord& record);

  std::map<std::uint32_t, Device> devices_;
  std::map<GuestDisk, std::uint64_t> bytes_;
  std::set<std::pair<std::string, std::string>> read_;  ///< machine and file
  std::size_t extents_ = 0;
  std::vector<std::string> problems_;
};

}  // namespace ivtrace::model
