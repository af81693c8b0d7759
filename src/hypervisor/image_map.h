// Where the bytes of a guest's disk lie on the host's block devices.
//
// The way: a byte of the guest's disk is a byte of the image (raw: the same offset; other formats: as
// `qemu-img map` tells, backing files included); a byte of a file is one of its file system's device
// (FIEMAP); a partition's byte is one of the whole device, which is what the kernel's block events name. So a
// guest's request is tied to the host's by address, whatever QEMU does in between. A device that hands its
// requests on (LVM, crypt, RAID) is named itself: the events tell the rest of the way, if the kernel tells it
// at all (block_stack.h).
//
// What is not exact is left out and told: extents that are not allocated yet, that are compressed or inside
// of the file system's own structures, and file systems whose FIEMAP does not speak of one device's bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "format/extent.h"
#include "hypervisor/block_stack.h"
#include "hypervisor/inventory.h"

namespace ivtrace::hypervisor {

using ImageExtent = format::Extent;

/// Extents by rising guest_offset, without overlap.
struct ImageMap {
  std::vector<ImageExtent> extents;
  std::vector<std::string> gaps;    ///< for people: what is not mapped and why; empty when all is
  std::vector<std::string> layers;  ///< for people: what hands the requests on, as in BlockPlace
};

struct ImageMapOptions {
  BlockStackOptions stack;
  Nanoseconds tool_limit{10'000'000'000};  ///< of all runs of qemu-img for one disk
  static constexpr std::size_t kMaxExtents = 1u << 20;
};

/// Maps a disk as it is now. An error when nothing of it can be mapped: no such file, a format that is not
/// known or not followed, a file system without a device, no qemu-img. Blocks while the file system or
/// qemu-img answer.
Result<ImageMap> map_image(const Disk& disk, const ImageMapOptions& options = {});

/// One extent per line, as the run directory keeps it.
std::string image_map_text(const ImageMap& map);

}  // namespace ivtrace::hypervisor
