#include "probes/btf.h"

#include <cstring>
#include <utility>

#include "base/fd.h"

namespace ivtrace::probes {
namespace {

constexpr std::size_t kMaxBtf = 64u << 20;  // a distribution's kernel has 5 MiB
constexpr std::uint16_t kMagic = 0xeb9f;
constexpr std::size_t kHeader = 24;
constexpr std::uint64_t kTypeBytes = 12;
constexpr int kMaxDepth = 32;  // typedef of const of typedef …
constexpr unsigned kMaxParameters = 64;

/// BTF_KIND_*
enum : std::uint32_t {
  kInt = 1,
  kPtr = 2,
  kArray = 3,
  kStruct = 4,
  kUnion = 5,
  kEnum = 6,
  kForward = 7,
  kTypedef = 8,
  kVolatile = 9,
  kConst = 10,
  kRestrict = 11,
  kFunc = 12,
  kFuncProto = 13,
  kVar = 14,
  kDatasec = 15,
  kFloat = 16,
  kDeclTag = 17,
  kTypeTag = 18,
  kEnum64 = 19,
};

std::uint32_t kind_of(std::uint32_t info) { return info >> 24 & 0x1f; }
std::uint32_t count_of(std::uint32_t info) { return info & 0xffff; }

/// Bytes behind the common 12 of a type; nothing for a kind that we do not know.
std::optional<std::uint64_t> extra_bytes(std::uint32_t info) {
  const std::uint64_t count = count_of(info);
  switch (kind_of(info)) {
    case kInt:
    case kVar:
    case kDeclTag:
      return 4;
    case kArray:
      return 12;
    case kStruct:
    case kUnion:
    case kDatasec:
    case kEnum64:
      return 12 * count;
    case kEnum:
    case kFuncProto:
      return 8 * count;
    case kPtr:
    case kForward:
    case kTypedef:
    case kVolatile:
    case kConst:
    case kRestrict:
    case kFunc:
    case kFloat:
    case kTypeTag:
      return 0;
    default:
      return std::nullopt;
  }
}

Error corrupt(const char* what) { return Error(ErrorCode::kCorrupt, std::string("BTF: ") + what); }

}  // namespace

struct Btf::Type {
  std::uint32_t name;
  std::uint32_t info;
  std::uint32_t size_or_type;
  std::uint64_t extra;  ///< where its further bytes begin
};

Result<Btf> Btf::of_kernel() {
  auto bytes = read_file("/sys/kernel/btf/vmlinux", kMaxBtf);
  if (!bytes) return Error(ErrorCode::kUnsupported, "this kernel does not describe itself (no BTF)");
  return parse(*std::move(bytes));
}

std::uint32_t Btf::word(std::uint64_t at) const {
  std::uint32_t value = 0;
  if (at + sizeof value <= bytes_.size()) std::memcpy(&value, bytes_.data() + at, sizeof value);
  return value;
}

Result<Btf> Btf::parse(std::string bytes) {
  Btf btf;
  btf.bytes_ = std::move(bytes);
  if (btf.bytes_.size() < kHeader || btf.bytes_.size() > kMaxBtf || (btf.word(0) & 0xffff) != kMagic)
    return corrupt("no header");
  const std::uint64_t header = btf.word(4);
  const std::uint64_t size = btf.bytes_.size();
  std::uint64_t at = header + btf.word(8);
  const std::uint64_t end = at + btf.word(12);
  const std::uint64_t strings = header + btf.word(16);
  const std::uint64_t strings_end = strings + btf.word(20);
  if (header < kHeader || end > size || strings_end > size) return corrupt("its sections end behind it");
  btf.strings_ = std::string_view(btf.bytes_).substr(strings, strings_end - strings);
  while (at < end) {
    if (at + kTypeBytes > end) return corrupt("a type ends behind its section");
    const auto extra = extra_bytes(btf.word(at + 4));
    if (!extra) return corrupt("a type of an unknown kind");
    btf.types_.push_back(static_cast<std::uint32_t>(at));
    at += kTypeBytes + *extra;
  }
  if (at != end) return corrupt("a type ends behind its section");
  return btf;
}

std::string_view Btf::name_at(std::uint32_t offset) const {
  if (offset >= strings_.size()) return {};
  const std::string_view rest = strings_.substr(offset);
  return rest.substr(0, rest.find('\0'));
}

std::optional<Btf::Type> Btf::type(std::uint32_t id) const {
  if (id == 0 || id > types_.size()) return std::nullopt;
  const std::uint64_t at = types_[id - 1];
  return Type{word(at), word(at + 4), word(at + 8), at + kTypeBytes};
}

/// Follows names and qualifiers to the type itself. Empty: void, or a chain that does not end.
std::optional<Value> Btf::value_of(std::string_view name, std::uint32_t id) const {
  Value value;
  value.name = name;
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    const auto type = this->type(id);
    if (!type) return std::nullopt;
    switch (kind_of(type->info)) {
      case kTypedef:
      case kVolatile:
      case kConst:
      case kRestrict:
      case kTypeTag:
        id = type->size_or_type;
        continue;
      case kPtr:
        value.bytes = 8;
        value.is_pointer = true;
        value.passing = Passing::kInteger;
        return value;
      case kInt:
        value.is_signed = (word(type->extra) >> 24 & 1) != 0;  // BTF_INT_SIGNED
        break;
      case kEnum:
      case kEnum64:
        value.is_signed = type->info >> 31 != 0;
        break;
      case kStruct:
      case kUnion:
        value.passing = type->size_or_type <= 16 ? Passing::kInteger : Passing::kMemory;
        value.bytes = type->size_or_type;
        return value;
      default:
        return value;  // kUnknown
    }
    value.bytes = type->size_or_type;
    value.passing = Passing::kInteger;
    return value;
  }
  return std::nullopt;
}

std::optional<FunctionType> Btf::find_function(std::string_view name) const {
  for (std::uint32_t id = 1; id <= types_.size(); ++id) {
    const auto function = type(id);
    if (kind_of(function->info) != kFunc || name_at(function->name) != name) continue;
    const auto prototype = type(function->size_or_type);
    if (!prototype || kind_of(prototype->info) != kFuncProto) return std::nullopt;
    FunctionType found;
    found.returned = value_of("ret", prototype->size_or_type);
    const std::uint32_t count = count_of(prototype->info);
    for (std::uint32_t i = 0; i < count && i < kMaxParameters; ++i) {
      const std::uint32_t type_id = word(prototype->extra + 8ull * i + 4);
      if (type_id == 0) break;  // "..."
      auto value = value_of(name_at(word(prototype->extra + 8ull * i)), type_id);
      if (!value) return std::nullopt;
      found.parameters.push_back(*std::move(value));
    }
    return found;
  }
  return std::nullopt;
}

}  // namespace ivtrace::probes
