// What `qemu-img` tells of an image that is not raw: which stretch of the guest's disk lies where in which
// file.
//
// An image's header names its backing file, and the guest's QEMU writes that header: by itself qemu-img would
// open whatever it says. So the chain is walked here, one `qemu-img info` for each image, each name is
// checked (image_file.h), and `qemu-img map` is told the whole chain and opens that one. qemu-img has this
// process's rights, not those of the guest's QEMU.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace ivtrace::hypervisor {

/// `bytes` of the guest's disk from `guest_offset` on are those of a file from `file_offset` on.
struct ImageStretch {
  std::uint64_t guest_offset = 0;
  std::uint64_t bytes = 0;
  std::size_t file = 0;  ///< index in QcowMap::files
  std::uint64_t file_offset = 0;

  friend bool operator==(const ImageStretch&, const ImageStretch&) = default;
};

/// Only stretches that are in a file as they are: no holes, zeroes or compressed clusters.
struct QcowMap {
  std::vector<std::string> files;  ///< the image and its backing files, top first
  std::vector<ImageStretch> stretches;
  std::vector<std::string> gaps;  ///< for people: what is not in `stretches`, though it is data, and why
};

/// An image as another one's header names it.
struct BackingFile {
  std::string path;
  std::string format;  ///< "" when the header does not say it

  friend bool operator==(const BackingFile&, const BackingFile&) = default;
};

/// Asks qemu-img, with -U since a running guest holds the image's lock, within the limit in all. The formats
/// are given, never guessed from content, which is the guest's. kNotFound when there is no qemu-img,
/// kUnsupported for formats and files that are not followed.
Result<QcowMap> map_by_qemu_img(const std::string& path, const std::string& format, Nanoseconds limit);

/// From the reply of `qemu-img map` about a chain of files. Nothing is believed about its types.
Result<QcowMap> qcow_map_of(const nlohmann::json& map, std::vector<std::string> files);
/// From the reply of `qemu-img info` about one image; nothing when it has no backing file. kUnsupported when
/// its data is not in itself.
Result<std::optional<BackingFile>> backing_file_of(const nlohmann::json& info);

}  // namespace ivtrace::hypervisor
