// What `qemu-img` tells of an image that is not raw: which stretch of the guest's disk lies where in which
// file.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
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
};

/// Asks `qemu-img map` and `info`, both with -U: a running guest holds the image's lock. The format is given,
/// never guessed from the image's content, which is the guest's. kNotFound when there is no qemu-img.
Result<QcowMap> map_by_qemu_img(const std::string& path, const std::string& format, Nanoseconds limit);

/// From the two replies. Nothing is believed about their types.
Result<QcowMap> qcow_map_of(const nlohmann::json& map, const nlohmann::json& chain);

}  // namespace ivtrace::hypervisor
