#include "probes/usdt.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace ivtrace::probes {
namespace {

constexpr std::uint32_t kStapsdtType = 3;
constexpr std::size_t kNoteHeader = 12;
constexpr std::size_t kAddresses = 24;
constexpr std::size_t kMaxText = 1024;
constexpr std::size_t kMaxSites = 65536;

template <class T>
T load(std::string_view bytes, std::size_t at) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// Takes a NUL-ended text off the front.
std::string take_text(std::string_view& bytes) {
  const std::size_t end = bytes.find('\0');
  const std::string text(bytes.substr(0, std::min(end, kMaxText)));
  bytes.remove_prefix(end == bytes.npos ? bytes.size() : end + 1);
  return text;
}

/// A register as the assembler writes it, as the kernel calls it; empty for the high bytes and vectors.
std::string kernel_register(std::string_view name) {
  constexpr std::array<std::string_view, 4> kWide{"ax", "bx", "cx", "dx"};
  constexpr std::array<std::string_view, 4> kPointers{"si", "di", "bp", "sp"};
  const std::string_view full = name;
  if (!name.empty() && (name[0] == 'r' || name[0] == 'e')) name.remove_prefix(1);
  for (const std::string_view known : kWide) {
    if (name == known || (full.size() == 2 && full[0] == known[0] && full[1] == 'l'))
      return std::string(known);
  }
  for (const std::string_view known : kPointers) {
    if (name == known || (full.size() == 3 && full.starts_with(known) && full[2] == 'l'))
      return std::string(known);
  }
  // r8 … r15 with d, w or b for their lower parts.
  if (full.size() < 2 || full[0] != 'r') return "";
  std::string_view number = full.substr(1);
  if (number.ends_with('d') || number.ends_with('w') || number.ends_with('b')) number.remove_suffix(1);
  const auto value = parse_u64(number);
  return value && *value >= 8 && *value <= 15 ? "r" + std::to_string(*value) : "";
}

/// "disp(%reg)" or "name+disp(%rip)"; empty when the kernel has no expression for it.
std::string memory_operand(std::string_view operand, const VariablePlace& variable) {
  const std::size_t open = operand.find("(%");
  if (open == operand.npos || !operand.ends_with(')')) return "";
  const std::string_view displacement = operand.substr(0, open);
  const std::string_view base = operand.substr(open + 2, operand.size() - open - 3);
  if (base == "rip") {
    const std::size_t plus = displacement.find('+');
    std::string_view name = displacement.substr(0, plus);
    std::uint64_t offset = 0;
    if (plus != displacement.npos) {
      auto number = parse_u64(displacement.substr(plus + 1));
      if (!number) {
        name = displacement.substr(plus + 1);  // "8+name"
        number = parse_u64(displacement.substr(0, plus));
      }
      if (!number) return "";
      offset = *number;
    }
    const auto place = variable(name);
    return place ? "@+" + std::to_string(*place + offset) : "";
  }
  const std::string reg = kernel_register(base);
  const auto number = displacement.empty() ? Result<std::int64_t>(0) : parse_i64(displacement);
  if (reg.empty() || !number) return "";  // an index or a scale is in `base` too
  return (*number < 0 ? "" : "+") + std::to_string(*number) + "(%" + reg + ")";
}

std::string fetch_operand(std::string_view operand, const VariablePlace& variable) {
  if (operand.starts_with('$')) {
    const auto number = parse_i64(operand.substr(1));
    return number ? "\\" + std::to_string(*number) : "";
  }
  if (operand.starts_with('%')) {
    const std::string reg = kernel_register(operand.substr(1));
    return reg.empty() ? "" : "%" + reg;
  }
  return memory_operand(operand, variable);
}

/// "-4" as "s32"; empty for floating point and what is no size.
std::string type_of(std::string_view size) {
  const bool is_signed = size.starts_with('-');
  if (is_signed) size.remove_prefix(1);
  const auto bytes = parse_u64(size);
  if (!bytes || (*bytes != 1 && *bytes != 2 && *bytes != 4 && *bytes != 8)) return "";
  return (is_signed ? "s" : "u") + std::to_string(8 * *bytes);
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  for (const std::string_view word : split(text, ' ')) {
    if (!word.empty()) found.push_back(word);
  }
  return found;
}

}  // namespace

Result<std::vector<UsdtSite>> parse_usdt_notes(std::string_view section) {
  const auto padded = [](std::uint64_t bytes) { return (bytes + 3) & ~std::uint64_t{3}; };
  std::vector<UsdtSite> sites;
  while (section.size() >= kNoteHeader) {
    const auto name_bytes = load<std::uint32_t>(section, 0);
    const auto desc_bytes = load<std::uint32_t>(section, 4);
    const auto type = load<std::uint32_t>(section, 8);
    const std::uint64_t desc_at = kNoteHeader + padded(name_bytes);
    if (desc_at > section.size() || desc_bytes > section.size() - desc_at)
      return Error(ErrorCode::kCorrupt, "a USDT note ends behind its section");
    const std::string_view name = section.substr(kNoteHeader, name_bytes);
    std::string_view desc = section.substr(desc_at, desc_bytes);
    if (type == kStapsdtType && name == std::string_view("stapsdt\0", 8) && desc_bytes > kAddresses) {
      if (sites.size() == kMaxSites) return Error(ErrorCode::kCorrupt, "too many USDT notes");
      UsdtSite site;
      site.address = load<std::uint64_t>(desc, 0);
      site.base = load<std::uint64_t>(desc, 8);
      site.semaphore = load<std::uint64_t>(desc, 16);
      desc.remove_prefix(kAddresses);
      site.provider = take_text(desc);
      site.name = take_text(desc);
      site.arguments = take_text(desc);
      sites.push_back(std::move(site));
    }
    section.remove_prefix(
        static_cast<std::size_t>(std::min<std::uint64_t>(desc_at + padded(desc_bytes), section.size())));
  }
  return sites;
}

Result<std::string> fetch_usdt_argument(const UsdtSite& site, unsigned number, std::string_view type,
                                        const VariablePlace& variable) {
  const std::vector<std::string_view> arguments = words(site.arguments);
  const std::string probe = site.provider + ":" + site.name;
  if (number == 0 || number > arguments.size()) {
    return Error(ErrorCode::kNotFound, "the probe " + probe + " has no arg" + std::to_string(number) +
                                           ": it has " + std::to_string(arguments.size()));
  }
  const std::string_view text = arguments[number - 1];
  const std::size_t at = text.find('@');
  const std::string declared = type_of(text.substr(0, at));
  const std::string fetched = at == text.npos ? "" : fetch_operand(text.substr(at + 1), variable);
  if (declared.empty() || fetched.empty()) {
    return Error(ErrorCode::kUnsupported, "arg" + std::to_string(number) + " of " + probe + " is at \"" +
                                              std::string(text) + "\", which the kernel cannot be told");
  }
  if (type.starts_with("string") || type.starts_with("ustring"))
    return "+0(" + fetched + "):" + std::string(type);
  return fetched + ":" + (type.empty() ? declared : std::string(type));
}

}  // namespace ivtrace::probes
