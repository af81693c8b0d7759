#include "model/disk_map.h"

#include <algorithm>
#include <tuple>

#include "base/text.h"
#include "format/extent.h"
#include "format/run_layout.h"

namespace ivtrace::model {

DiskMap::DiskMap(const run::RunReader& run) {
  for (std::size_t m = 0; m < run.machines().size(); ++m) {
    const run::Machine& machine = run.machines()[m];
    std::map<std::string, const run::ExtentsRecord*>
        last;  // what was missing at first may be there at the end
    for (const run::ExtentsRecord& record : machine.extents) last[record.device] = &record;
    for (const auto& [device, record] : last) {
      for (const std::string& gap : record->gaps)
        problems_.push_back(machine.info.name + " disk " + device + ": " + gap);
    }
    for (const run::ExtentsRecord& record : machine.extents) {
      const auto disk =
          std::find_if(machine.disks.begin(), machine.disks.end(),
                       [&](const run::DiskRecord& known) { return known.device == record.device; });
      if (disk == machine.disks.end() || record.file.empty()) continue;
      read_file(run, {m, static_cast<std::size_t>(disk - machine.disks.begin())}, record);
    }
  }
  for (auto& [number, device] : devices_) {
    join(device.extents);
    std::uint64_t end = 0;
    for (const Extent& extent : device.extents) {
      end = std::max(end, extent.end());
      device.ends.push_back(end);
    }
  }
}

/// What both maps say is said once, also of an extent that has grown in between; then by first sector.
void DiskMap::join(std::vector<Extent>& extents) {
  const auto shift = [](const Extent& extent) { return extent.first - extent.guest_first; };
  std::sort(extents.begin(), extents.end(), [&](const Extent& a, const Extent& b) {
    return std::tuple(a.disk, shift(a), a.first) < std::tuple(b.disk, shift(b), b.first);
  });
  std::vector<Extent> joined;
  for (const Extent& extent : extents) {
    if (!joined.empty() && joined.back().disk == extent.disk && shift(joined.back()) == shift(extent) &&
        extent.first <= joined.back().end()) {
      joined.back().count = std::max(joined.back().end(), extent.end()) - joined.back().first;
    } else {
      joined.push_back(extent);
    }
  }
  std::sort(joined.begin(), joined.end(), [](const Extent& a, const Extent& b) {
    return std::tuple(a.first, a.disk, a.guest_first) < std::tuple(b.first, b.disk, b.guest_first);
  });
  extents = std::move(joined);
}

void DiskMap::read_file(const run::RunReader& run, const GuestDisk& disk, const run::ExtentsRecord& record) {
  if (!read_.emplace(record.machine, record.file).second) return;
  if (!format::valid_machine_name(record.file)) {
    problems_.push_back(record.machine + ": extents in a file of an impossible name");
    return;
  }
  const auto text = run.read_text(record.machine, record.file);
  if (!text) {
    problems_.push_back(text.error().message);
    return;
  }
  bool damaged = false;
  for (const std::string_view line : split(*text, '\n')) {
    if (line.empty()) continue;
    const auto read = format::parse_extent(line);
    damaged = damaged || !read;
    if (!read) continue;
    if (++extents_ > kMaxExtents) {
      problems_.push_back("there are more than " + std::to_string(kMaxExtents) +
                          " extents: the rest is left out");
      return;
    }
    devices_[read->device].extents.push_back({read->device_offset / kSectorBytes, read->bytes / kSectorBytes,
                                              read->guest_offset / kSectorBytes, disk});
    bytes_[disk] += read->bytes;
  }
  if (damaged) problems_.push_back(record.machine + "/" + record.file + " has lines that are no extents");
}

void DiskMap::find(const SectorRange& host, std::vector<DiskPart>& parts) const {
  const auto found = devices_.find(host.device);
  if (found == devices_.end()) return;
  const Device& device = found->second;
  // The first extent that may reach into the range: none before it has an end behind host.first.
  const auto reach = std::upper_bound(device.ends.begin(), device.ends.end(), host.first);
  for (auto i = static_cast<std::size_t>(reach - device.ends.begin());
       i < device.extents.size() && device.extents[i].first < host.end(); ++i) {
    const Extent& extent = device.extents[i];
    const std::uint64_t from = std::max(extent.first, host.first);
    const std::uint64_t until = std::min(extent.end(), host.end());
    if (from >= until) continue;
    parts.push_back(
        {extent.disk,
         {0, extent.guest_first + (from - extent.first), static_cast<std::uint32_t>(until - from)}});
  }
}

}  // namespace ivtrace::model
