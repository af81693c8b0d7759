#include "hypervisor/qcow_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string_view>

#include "hypervisor/image_file.h"
#include "hypervisor/qmp_facts.h"
#include "hypervisor/run_tool.h"

namespace ivtrace::hypervisor {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;
constexpr std::size_t kMaxOutput = 64u << 20;
constexpr std::size_t kMaxFiles = 256;
constexpr std::uint64_t kMaxOffset = 1ull << 62;  // sums of two stay in range

/// Formats whose data is in the one file, at the offsets that `qemu-img map` tells.
constexpr std::array<std::string_view, 6> kFollowed = {"qcow2", "qcow", "qed", "vdi", "vhdx", "vpc"};

Result<json> ask(std::vector<std::string> arguments, Clock::time_point end) {
  arguments.insert(arguments.begin(), "qemu-img");
  const auto left = std::chrono::nanoseconds(end - Clock::now()).count();
  if (left <= 0) return Error(ErrorCode::kTimeout, "qemu-img did not end in time");
  IVT_ASSIGN_OR_RETURN(const std::string output, run_tool(arguments, Nanoseconds(left), kMaxOutput));
  return json::parse(output, nullptr, false);
}

std::uint64_t number_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

bool flag_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

/// One image of a chain, as it was found.
struct Layer {
  std::string path;
  std::string format;
  bool block_device = false;
  std::optional<BackingFile> backing;
};

Result<Layer> look_at_layer(const std::string& path, const std::string& format, Clock::time_point end) {
  if (format.empty()) return Error(ErrorCode::kUnsupported, "its format is not known");
  const bool raw = format == "raw";
  if (!raw && std::find(kFollowed.begin(), kFollowed.end(), format) == kFollowed.end())
    return Error(ErrorCode::kUnsupported, "images of the format \"" + format + "\" are not followed");
  IVT_ASSIGN_OR_RETURN(const ImageFile file, look_at_image(path));
  Layer layer{path, format, file.is_block_device(), std::nullopt};
  if (raw) return layer;
  IVT_ASSIGN_OR_RETURN(const json info, ask({"info", "-U", "-f", format, "--output=json", path}, end));
  IVT_ASSIGN_OR_RETURN(layer.backing, backing_file_of(info));
  return layer;
}

/// The whole chain as qemu-img takes it instead of a file's name: what the headers say is not asked again.
Result<std::string> pinned_name(const std::vector<Layer>& chain) {
  json node;  // null: no backing file
  for (auto layer = chain.rbegin(); layer != chain.rend(); ++layer) {
    json above = {
        {"driver", layer->format},
        {"file", {{"driver", layer->block_device ? "host_device" : "file"}, {"filename", layer->path}}}};
    if (layer->format != "raw") above["backing"] = std::move(node);
    node = std::move(above);
  }
  const std::string text = node.dump(-1, ' ', false, json::error_handler_t::replace);
  if (json::parse(text, nullptr, false) != node)
    return Error(ErrorCode::kUnsupported, "qemu-img cannot be told of a path that is not UTF-8");
  return "json:" + text;
}

}  // namespace

Result<std::optional<BackingFile>> backing_file_of(const json& info) {
  if (!info.is_object()) return Error(ErrorCode::kCorrupt, "qemu-img info told nothing");
  if (const auto specific = info.find("format-specific"); specific != info.end() && specific->is_object()) {
    const auto data = specific->find("data");
    if (data != specific->end() && data->is_object() && data->contains("data-file"))
      return Error(ErrorCode::kUnsupported, "its data is in another file (data-file)");
  }
  const char* key = info.contains("full-backing-filename") ? "full-backing-filename" : "backing-filename";
  if (!info.contains(key)) return std::optional<BackingFile>();
  return std::optional(BackingFile{text_of(info, key), text_of(info, "backing-filename-format")});
}

Result<QcowMap> qcow_map_of(const json& map, std::vector<std::string> files) {
  if (!map.is_array()) return Error(ErrorCode::kCorrupt, "qemu-img map answered no list");
  QcowMap result;
  result.files = std::move(files);
  std::uint64_t end = 0;
  std::uint64_t unplaced = 0;
  for (const json& one : map) {
    if (!one.is_object() || !flag_of(one, "data")) continue;
    const auto offset = one.find("offset");
    const bool placed = offset != one.end() && offset->is_number_unsigned() && !flag_of(one, "compressed");
    const ImageStretch stretch{number_of(one, "start"), number_of(one, "length"), number_of(one, "depth"),
                               placed ? offset->get<std::uint64_t>() : 0};
    const bool in_range = stretch.guest_offset <= kMaxOffset && stretch.bytes <= kMaxOffset &&
                          stretch.file_offset <= kMaxOffset;
    if (!in_range || stretch.file >= result.files.size() || stretch.guest_offset < end)
      return Error(ErrorCode::kCorrupt, "qemu-img map contradicts itself or qemu-img info");
    end = stretch.guest_offset + stretch.bytes;
    if (placed) {
      result.stretches.push_back(stretch);
    } else {
      unplaced += stretch.bytes;
    }
  }
  if (unplaced > 0) {
    result.gaps.push_back(
        fmt::format("{} bytes are compressed, or qemu-img does not tell their place in the image", unplaced));
  }
  return result;
}

Result<QcowMap> map_by_qemu_img(const std::string& path, const std::string& format, Nanoseconds limit) {
  const auto end = Clock::now() + std::chrono::nanoseconds(limit.value);
  std::vector<Layer> chain;
  std::vector<std::string> files;
  std::vector<std::string> gaps;
  for (std::optional<BackingFile> next = BackingFile{path, format}; next;) {
    Result<Layer> layer = chain.size() < kMaxFiles
                              ? look_at_layer(next->path, next->format, end)
                              : Error(ErrorCode::kExhausted, "the chain of images is too long");
    if (!layer && chain.empty()) return layer.error();
    if (!layer) {
      gaps.push_back("what is in the backing file " + next->path +
                     " is not mapped: " + layer.error().to_string());
      break;
    }
    next = layer->backing;
    files.push_back(layer->path);
    chain.push_back(*std::move(layer));
  }
  IVT_ASSIGN_OR_RETURN(const std::string name, pinned_name(chain));
  IVT_ASSIGN_OR_RETURN(const json map, ask({"map", "-U", "--output=json", name}, end));
  IVT_ASSIGN_OR_RETURN(QcowMap result, qcow_map_of(map, std::move(files)));
  result.gaps.insert(result.gaps.end(), gaps.begin(), gaps.end());
  return result;
}

}  // namespace ivtrace::hypervisor
