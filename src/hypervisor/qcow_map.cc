#include "hypervisor/qcow_map.h"

#include <nlohmann/json.hpp>

#include "hypervisor/qmp_facts.h"
#include "hypervisor/run_tool.h"

namespace ivtrace::hypervisor {
namespace {

using nlohmann::json;
constexpr std::size_t kMaxOutput = 64u << 20;
constexpr std::size_t kMaxFiles = 256;

Result<json> ask(std::vector<std::string> arguments, Nanoseconds limit) {
  arguments.insert(arguments.begin(), "qemu-img");
  IVT_ASSIGN_OR_RETURN(const std::string output, run_tool(arguments, limit, kMaxOutput));
  json reply = json::parse(output, nullptr, false);
  if (!reply.is_array()) return Error(ErrorCode::kCorrupt, "qemu-img " + arguments[1] + " answered no list");
  return reply;
}

std::uint64_t number_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

bool flag_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace

Result<QcowMap> qcow_map_of(const json& map, const json& chain) {
  QcowMap result;
  for (const json& file : chain) {
    if (file.is_object() && result.files.size() < kMaxFiles)
      result.files.push_back(text_of(file, "filename"));
  }
  for (const json& one : map) {
    if (!one.is_object() || !flag_of(one, "data") || flag_of(one, "compressed")) continue;
    const auto offset = one.find("offset");
    if (offset == one.end() || !offset->is_number_unsigned())
      continue;  // compressed or zero clusters have none
    ImageStretch stretch{number_of(one, "start"), number_of(one, "length"), number_of(one, "depth"),
                         offset->get<std::uint64_t>()};
    const bool after_last =
        result.stretches.empty() ||
        stretch.guest_offset >= result.stretches.back().guest_offset + result.stretches.back().bytes;
    if (stretch.file >= result.files.size() || !after_last)
      return Error(ErrorCode::kCorrupt, "qemu-img map contradicts itself or qemu-img info");
    result.stretches.push_back(stretch);
  }
  return result;
}

Result<QcowMap> map_by_qemu_img(const std::string& path, const std::string& format, Nanoseconds limit) {
  IVT_ASSIGN_OR_RETURN(const json map, ask({"map", "-U", "-f", format, "--output=json", path}, limit));
  IVT_ASSIGN_OR_RETURN(const json chain,
                       ask({"info", "-U", "-f", format, "--backing-chain", "--output=json", path}, limit));
  return qcow_map_of(map, chain);
}

}  // namespace ivtrace::hypervisor
