#include "format/text_event.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/text.h"

namespace ivtrace::format {
namespace {

struct Type {
  std::string_view word;
  std::string_view kernels;  // what a format file calls it
  std::uint32_t bytes;       // of the locator, for a string
  bool is_signed;
  std::string_view conversion;
};
constexpr std::string_view kString = "string";
constexpr std::array kTypes{
    Type{"u8", "u8", 1, false, "%u"},
    Type{"u16", "u16", 2, false, "%u"},
    Type{"u32", "u32", 4, false, "%u"},
    Type{"u64", "u64", 8, false, "%llu"},
    Type{"s8", "s8", 1, true, "%d"},
    Type{"s16", "s16", 2, true, "%d"},
    Type{"s32", "s32", 4, true, "%d"},
    Type{"s64", "s64", 8, true, "%lld"},
    Type{"x8", "u8", 1, false, "0x%x"},
    Type{"x16", "u16", 2, false, "0x%x"},
    Type{"x32", "u32", 4, false, "0x%x"},
    Type{"x64", "u64", 8, false, "0x%llx"},
    Type{kString, "__data_loc char[]", 4, false, "%s"},
};

struct DeclaredField {
  const Type* type = nullptr;
  std::string_view name;
};

Error invalid(std::string_view event, std::string_view what, std::string_view where) {
  std::string message = "event '";
  append_terminal_safe(message, event.substr(0, kMaxTextEventName));
  message += "': ";
  message += what;
  message += ": '";
  append_terminal_safe(message, where.substr(0, kMaxTextEventName));
  message += '\'';
  return Error(ErrorCode::kInvalid, std::move(message),
               "fields are declared as in: u64 sector; string disk (u8 … u64, s8 … s64, x8 … x64, string)");
}

Result<DeclaredField> parse_field(std::string_view event, std::string_view text) {
  const std::size_t blank = text.find_first_of(" \t");
  const std::string_view word = text.substr(0, blank);
  const auto* const type =
      std::find_if(kTypes.begin(), kTypes.end(), [word](const Type& known) { return known.word == word; });
  if (type == kTypes.end()) return invalid(event, "a field of no known type", text);
  const std::string_view name = blank == std::string_view::npos ? "" : trim(text.substr(blank));
  // The kernel's own fields have that prefix in every event.
  if (!valid_text_event_name(name) || name.starts_with("common_"))
    return invalid(event, "a field's name must be a C identifier", text);
  return DeclaredField{&*type, name};
}

Result<std::vector<DeclaredField>> parse_fields(std::string_view event, std::string_view text) {
  std::vector<DeclaredField> out;
  if (text.size() > kMaxTextEventDeclaration) return invalid(event, "the declaration is too long", text);
  for (const std::string_view piece : split(text, ';')) {
    const std::string_view one = trim(piece);
    if (one.empty()) continue;
    if (out.size() == kMaxTextEventFields) return invalid(event, "more than 32 fields", one);
    IVT_ASSIGN_OR_RETURN(const DeclaredField field, parse_field(event, one));
    const bool is_known = std::any_of(out.begin(), out.end(),
                                      [&](const DeclaredField& other) { return other.name == field.name; });
    if (is_known) return invalid(event, "two fields of one name", one);
    out.push_back(field);
  }
  return out;
}

void append_field(std::string& out, std::string_view declaration, std::uint32_t offset, std::uint32_t bytes,
                  bool is_signed) {
  fmt::format_to(std::back_inserter(out), "\tfield:{};\toffset:{};\tsize:{};\tsigned:{};\n", declaration,
                 offset, bytes, is_signed ? 1 : 0);
}

void append_common_fields(std::string& out) {
  append_field(out, "unsigned short common_type", 0, 2, false);
  append_field(out, "unsigned char common_flags", 2, 1, false);
  append_field(out, "unsigned char common_preempt_count", 3, 1, false);
  append_field(out, "int common_pid", 4, 4, true);
  out += '\n';
}

void append_fields(std::string& out, const std::vector<DeclaredField>& fields) {
  std::uint32_t offset = 8;
  for (const DeclaredField& field : fields) {
    const std::uint32_t bytes = field.type->bytes;
    offset = (offset + bytes - 1) / bytes * bytes;
    append_field(out, fmt::format("{} {}", field.type->kernels, field.name), offset, bytes,
                 field.type->is_signed);
    offset += bytes;
  }
}

/// `"sector=%llu disk=%s", REC->sector, __get_str(disk)`; the one field `text` stands alone.
std::string print_format(const std::vector<DeclaredField>& fields) {
  std::string text, values;
  const bool is_line = fields.size() == 1 && fields[0].type->word == kString && fields[0].name == "text";
  for (const DeclaredField& field : fields) {
    if (!text.empty()) text += ' ';
    text += is_line ? std::string(field.type->conversion)
                    : fmt::format("{}={}", field.name, field.type->conversion);
    values += field.type->word == kString ? fmt::format(", __get_str({})", field.name)
                                          : fmt::format(", REC->{}", field.name);
  }
  return fmt::format("\"{}\"{}", text, values);
}

}  // namespace

bool valid_text_event_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && name.size() <= kMaxTextEventName && letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

Result<std::string> text_event_format(std::uint16_t id, std::string_view name, std::string_view fields) {
  if (id < kTextEventIds) return invalid(name, "the id is a kernel's", std::to_string(id));
  if (!valid_text_event_name(name)) return invalid(name, "an event's name must be a C identifier", name);
  IVT_ASSIGN_OR_RETURN(const std::vector<DeclaredField> parsed, parse_fields(name, fields));
  std::string out = fmt::format("name: {}\nID: {}\nformat:\n", name, id);
  append_common_fields(out);
  append_fields(out, parsed);
  out += "\nprint fmt: " + print_format(parsed) + "\n";
  return out;
}

}  // namespace ivtrace::format
