#include "hypervisor/image_map.h"

#include <fmt/format.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>

#include <algorithm>
#include <cstring>

#include "base/fd.h"
#include "hypervisor/image_file.h"
#include "hypervisor/qcow_map.h"

namespace ivtrace::hypervisor {
namespace {

constexpr std::uint32_t kNotExact = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_ENCODED |
                                    FIEMAP_EXTENT_NOT_ALIGNED | FIEMAP_EXTENT_DATA_INLINE |
                                    FIEMAP_EXTENT_DATA_TAIL;

/// File systems whose FIEMAP speaks of bytes of the one device that st_dev names. Btrfs and others speak of
/// their own address space.
bool has_device_addresses(int fd) {
  constexpr long kExt4 = 0xef53, kXfs = 0x58465342, kF2fs = 0xf2f52010;
  struct statfs status {};
  if (::fstatfs(fd, &status) != 0) return false;
  return status.f_type == kExt4 || status.f_type == kXfs || status.f_type == kF2fs;
}

/// Collects a file's extents; `inexact` counts the bytes that have no exact place.
struct FileExtents {
  std::vector<ImageExtent> extents;  ///< guest_offset is the offset in the file
  std::uint64_t inexact = 0;
};

Result<FileExtents> extents_of_file(const UniqueFd& fd, const std::string& path, const BlockPlace& place) {
  constexpr std::uint32_t kBatch = 512;
  std::vector<std::byte> buffer(sizeof(fiemap) + kBatch * sizeof(fiemap_extent));
  FileExtents found;
  for (std::uint64_t from = 0; found.extents.size() < ImageMapOptions::kMaxExtents;) {
    fiemap head{};
    head.fm_start = from;
    head.fm_length = FIEMAP_MAX_OFFSET - from;
    head.fm_extent_count = kBatch;
    std::memcpy(buffer.data(), &head, sizeof head);
    if (::ioctl(fd.get(), FS_IOC_FIEMAP, buffer.data()) != 0)
      return errno_error(errno, "cannot ask for the extents of " + path);
    std::memcpy(&head, buffer.data(), sizeof head);
    bool last = head.fm_mapped_extents == 0;
    for (std::uint32_t i = 0; i < std::min(head.fm_mapped_extents, kBatch); ++i) {
      fiemap_extent extent;
      std::memcpy(&extent, buffer.data() + sizeof head + i * sizeof extent, sizeof extent);
      last = last || (extent.fe_flags & FIEMAP_EXTENT_LAST) != 0;
      from = extent.fe_logical + extent.fe_length;
      if ((extent.fe_flags & kNotExact) != 0) {
        found.inexact += extent.fe_length;
      } else {
        found.extents.push_back(
            {extent.fe_logical, extent.fe_length, place.device, place.start + extent.fe_physical});
      }
    }
    if (last) break;
  }
  return found;
}

/// Extents of one file or block device, by rising offset.
Result<ImageMap> map_path(const std::string& path, const ImageMapOptions& options) {
  IVT_ASSIGN_OR_RETURN(const ImageFile image, open_image(path));
  ImageMap map;
  if (image.is_block_device()) {
    std::uint64_t bytes = 0;
    if (::ioctl(image.fd.get(), BLKGETSIZE64, &bytes) != 0)
      return errno_error(errno, "cannot ask the size of " + path);
    IVT_ASSIGN_OR_RETURN(BlockPlace place, block_place_of(image.status.st_rdev, options.stack));
    map.extents.push_back({0, bytes, place.device, place.start});
    map.layers = std::move(place.layers);
    return map;
  }
  IVT_ASSIGN_OR_RETURN(BlockPlace place, block_place_of(image.status.st_dev, options.stack));
  if (!has_device_addresses(image.fd.get())) {
    return Error(ErrorCode::kUnsupported, "its file system does not tell where on the device a file lies",
                 "ext4, xfs and f2fs do");
  }
  IVT_ASSIGN_OR_RETURN(FileExtents found, extents_of_file(image.fd, path, place));
  map.extents = std::move(found.extents);
  map.layers = std::move(place.layers);
  if (found.inexact > 0)
    map.gaps.push_back(
        fmt::format("{} bytes of {} have no exact place on the device yet", found.inexact, path));
  if (map.extents.size() >= ImageMapOptions::kMaxExtents)
    map.gaps.push_back(
        fmt::format("{} has more than {} extents: the rest is left out", path, ImageMapOptions::kMaxExtents));
  return map;
}

/// Places each stretch of the guest's disk by the extents of the file that holds it.
void place_stretch(const ImageStretch& stretch, const std::vector<ImageExtent>& file,
                   std::vector<ImageExtent>& out) {
  auto extent = std::upper_bound(file.begin(), file.end(), stretch.file_offset,
                                 [](std::uint64_t at, const ImageExtent& e) { return at < e.guest_offset; });
  if (extent != file.begin()) --extent;
  const std::uint64_t end = stretch.file_offset + stretch.bytes;
  for (; extent != file.end() && extent->guest_offset < end; ++extent) {
    const std::uint64_t from = std::max(stretch.file_offset, extent->guest_offset);
    const std::uint64_t until = std::min(end, extent->guest_offset + extent->bytes);
    if (from >= until || out.size() >= ImageMapOptions::kMaxExtents) continue;
    out.push_back({stretch.guest_offset + (from - stretch.file_offset), until - from, extent->device,
                   extent->device_offset + (from - extent->guest_offset)});
  }
}

}  // namespace

Result<ImageMap> map_image(const Disk& disk, const ImageMapOptions& options) {
  if (disk.path.empty()) return Error(ErrorCode::kNotFound, "its image's path is not known");
  if (disk.format.empty()) {
    return Error(ErrorCode::kUnsupported, "its format is not known",
                 "the bytes of an image that is not raw lie elsewhere: start QEMU with format=…, or with a "
                 "monitor");
  }
  if (disk.format == "raw" || disk.format == "file" || disk.format == "host_device")
    return map_path(disk.path, options);
  IVT_ASSIGN_OR_RETURN(const QcowMap qcow, map_by_qemu_img(disk.path, disk.format, options.tool_limit));
  ImageMap map;
  map.gaps = qcow.gaps;
  std::vector<std::vector<ImageExtent>> files;
  for (const std::string& path : qcow.files) {
    Result<ImageMap> file = map_path(path, options);
    if (file) {
      map.gaps.insert(map.gaps.end(), file->gaps.begin(), file->gaps.end());
      map.layers.insert(map.layers.end(), file->layers.begin(), file->layers.end());
      files.push_back(std::move(file->extents));
    } else {
      map.gaps.push_back(path + ": " + file.error().to_string());
      files.emplace_back();
    }
  }
  std::sort(map.layers.begin(), map.layers.end());
  map.layers.erase(std::unique(map.layers.begin(), map.layers.end()), map.layers.end());
  for (const ImageStretch& stretch : qcow.stretches) place_stretch(stretch, files[stretch.file], map.extents);
  return map;
}

std::string image_map_text(const ImageMap& map) {
  std::string text;
  for (const ImageExtent& extent : map.extents) format::append_extent(text, extent);
  return text;
}

}  // namespace ivtrace::hypervisor
