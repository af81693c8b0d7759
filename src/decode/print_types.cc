#include "decode/print_types.h"

#include <algorithm>
#include <array>

namespace ivtrace::decode {
namespace {

struct NamedType {
  std::string_view name;
  CType type;
};

constexpr std::array<NamedType, 74> kTypes = {{
    {"char", {1, false}},
    {"signed char", {1, false}},
    {"unsigned char", {1, true}},
    {"short", {2, false}},
    {"short int", {2, false}},
    {"unsigned short", {2, true}},
    {"unsigned short int", {2, true}},
    {"int", {4, false}},
    {"signed", {4, false}},
    {"signed int", {4, false}},
    {"unsigned", {4, true}},
    {"unsigned int", {4, true}},
    {"long", {8, false}},
    {"long int", {8, false}},
    {"signed long", {8, false}},
    {"unsigned long", {8, true}},
    {"long unsigned int", {8, true}},
    {"unsigned long int", {8, true}},
    {"long long", {8, false}},
    {"long long int", {8, false}},
    {"signed long long", {8, false}},
    {"unsigned long long", {8, true}},
    {"long long unsigned int", {8, true}},
    {"u8", {1, true}},
    {"u16", {2, true}},
    {"u32", {4, true}},
    {"u64", {8, true}},
    {"s8", {1, false}},
    {"s16", {2, false}},
    {"s32", {4, false}},
    {"s64", {8, false}},
    {"__u8", {1, true}},
    {"__u16", {2, true}},
    {"__u32", {4, true}},
    {"__u64", {8, true}},
    {"__s8", {1, false}},
    {"__s16", {2, false}},
    {"__s32", {4, false}},
    {"__s64", {8, false}},
    {"uint8_t", {1, true}},
    {"uint16_t", {2, true}},
    {"uint32_t", {4, true}},
    {"uint64_t", {8, true}},
    {"int8_t", {1, false}},
    {"int16_t", {2, false}},
    {"int32_t", {4, false}},
    {"int64_t", {8, false}},
    {"uint", {4, true}},
    {"ulong", {8, true}},
    {"size_t", {8, true}},
    {"ssize_t", {8, false}},
    {"uintptr_t", {8, true}},
    {"loff_t", {8, false}},
    {"off_t", {8, false}},
    {"sector_t", {8, true}},
    {"blkcnt_t", {8, true}},
    {"dev_t", {4, true}},
    {"gfp_t", {4, true}},
    {"fmode_t", {4, true}},
    {"umode_t", {2, true}},
    {"mode_t", {4, true}},
    {"pid_t", {4, false}},
    {"ino_t", {8, true}},
    {"__be16", {2, true}},
    {"__be32", {4, true}},
    {"__be64", {8, true}},
    {"__le16", {2, true}},
    {"__le32", {4, true}},
    {"__le64", {8, true}},
    {"__kernel_rwf_t", {4, false}},
    {"OM_uint32", {4, true}},
    {"dma_addr_t", {8, true}},
    {"phys_addr_t", {8, true}},
    {"pgoff_t", {8, true}},
}};

}  // namespace

std::optional<CType> find_type(std::string_view name) {
  const auto* found = std::ranges::find(kTypes, name, &NamedType::name);
  if (found == kTypes.end()) return std::nullopt;
  return found->type;
}

}  // namespace ivtrace::decode
