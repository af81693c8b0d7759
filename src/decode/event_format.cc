#include "decode/event_format.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"

namespace ivtrace::decode {
namespace {

Error corrupt(std::string_view system, std::string_view what, std::string_view line = {}) {
  std::string message = "format of an event of system '";
  append_terminal_safe(message, system.substr(0, kMaxFieldName));
  message += "': ";
  message += what;
  if (!line.empty()) {
    message += ": \"";
    append_terminal_safe(message, line.substr(0, 120));
    message += '"';
  }
  return Error(ErrorCode::kCorrupt, std::move(message));
}

bool word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool valid_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxFieldName && std::all_of(name.begin(), name.end(), word_char);
}

bool valid_type(std::string_view type) {
  return !type.empty() && std::all_of(type.begin(), type.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

/// System and event names are wider than C's: "kvm", "9p", "xe-x" and "event.with.dots" exist or may.
bool valid_event_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxFieldName && std::all_of(name.begin(), name.end(), [](char c) {
    return word_char(c) || c == '-' || c == '.' || c == '$' || c == '@' || c == '+';
  });
}

bool has_word(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const bool starts = at == 0 || !word_char(text[at - 1]);
    const std::size_t end = at + word.size();
    if (starts && (end == text.size() || !word_char(text[end]))) return true;
  }
  return false;
}

/// "const char *", and also "struct x *const".
bool is_pointer(std::string_view type) { return type.find('*') != std::string_view::npos; }

/// Bytes of an element of C type `type` on x86-64, or 0 when the name does not tell.
std::uint32_t size_of_type(std::string_view type) {
  if (is_pointer(type)) return 8;
  struct Known {
    std::string_view word;
    std::uint32_t bytes;
  };
  // "long" before "int" and "unsigned": "unsigned long int" is long.
  static constexpr std::array kKnown{
      Known{"char", 1},   Known{"u8", 1},      Known{"__u8", 1},     Known{"s8", 1},
      Known{"__s8", 1},   Known{"uint8_t", 1}, Known{"int8_t", 1},   Known{"bool", 1},
      Known{"_Bool", 1},  Known{"short", 2},   Known{"u16", 2},      Known{"__u16", 2},
      Known{"s16", 2},    Known{"__s16", 2},   Known{"uint16_t", 2}, Known{"int16_t", 2},
      Known{"__be16", 2}, Known{"__le16", 2},  Known{"u32", 4},      Known{"__u32", 4},
      Known{"s32", 4},    Known{"__s32", 4},   Known{"uint32_t", 4}, Known{"int32_t", 4},
      Known{"__be32", 4}, Known{"__le32", 4},  Known{"u64", 8},      Known{"__u64", 8},
      Known{"s64", 8},    Known{"__s64", 8},   Known{"uint64_t", 8}, Known{"int64_t", 8},
      Known{"__be64", 8}, Known{"__le64", 8},  Known{"size_t", 8},   Known{"cpumask_t", 8},
      Known{"long", 8},   Known{"int", 4},     Known{"unsigned", 4}};
  for (const Known& known : kKnown) {
    if (has_word(type, known.word)) return known.bytes;
  }
  return 0;
}

/// Takes "key:value" off a field line's piece; the value without blanks.
std::optional<std::string_view> value_of(std::string_view piece, std::string_view key) {
  piece = trim(piece);
  if (!piece.starts_with(key) || piece.size() <= key.size() || piece[key.size()] != ':') return std::nullopt;
  return trim(piece.substr(key.size() + 1));
}

/// Splits a declaration into type, name and array brackets, as "char comm[16]", "__data_loc char[] name",
/// "const char * p", "unsigned int" (a few kernel-internal fields have odd ones; the last word is the name).
struct Declaration {
  std::string_view type;
  std::string_view name;
  bool array = false;
  std::string_view dimension;  // between the brackets, may be empty
};

std::optional<Declaration> split_declaration(std::string_view text) {
  Declaration out;
  text = trim(text);
  if (text.ends_with(']')) {  // brackets behind the name
    const std::size_t open = text.rfind('[');
    if (open == std::string_view::npos) return std::nullopt;
    out.array = true;
    out.dimension = trim(text.substr(open + 1, text.size() - open - 2));
    text = trim(text.substr(0, open));
    while (text.ends_with(']')) {  // more dimensions: the size alone tells the count
      const std::size_t more = text.rfind('[');
      if (more == std::string_view::npos) return std::nullopt;
      out.dimension = {};
      text = trim(text.substr(0, more));
    }
  }
  std::size_t start = text.size();
  while (start > 0 && word_char(text[start - 1])) --start;
  out.name = text.substr(start);
  out.type = trim(text.substr(0, start));
  if (out.type.ends_with(']')) {  // "__data_loc char[] name"
    const std::size_t open = out.type.rfind('[');
    if (open == std::string_view::npos) return std::nullopt;
    out.array = true;
    out.dimension = trim(out.type.substr(open + 1, out.type.size() - open - 2));
    out.type = trim(out.type.substr(0, open));
  }
  if (!valid_name(out.name) || !valid_type(out.type)) return std::nullopt;
  return out;
}

bool integer_size(std::uint32_t size) { return size == 1 || size == 2 || size == 4 || size == 8; }

void classify_array(Field& field, const Declaration& declaration) {
  std::uint32_t element = size_of_type(field.type);
  if (const auto count = parse_u64(declaration.dimension); count && *count > 0 && field.size % *count == 0) {
    const std::uint32_t by_count = static_cast<std::uint32_t>(field.size / *count);
    if (by_count > 0) element = by_count;
  }
  if (element == 0) element = 1;
  if (field.size == 0) {
    field.kind = FieldKind::kTail;
  } else {
    if (field.size % element != 0) element = 1;
    field.count = field.size / element;
    field.kind = field.is_text ? FieldKind::kCharArray : FieldKind::kArray;
  }
  field.element_size = element;
}

/// Decides kind, element size and count from the declaration and the size.
void classify(Field& field, const Declaration& declaration) {
  const auto strip = [&](std::string_view prefix) {
    if (!std::string_view(field.type).starts_with(prefix)) return false;
    field.type = std::string(trim(std::string_view(field.type).substr(prefix.size())));
    return true;
  };
  const bool data_loc = strip("__data_loc");
  const bool rel_loc = !data_loc && strip("__rel_loc");
  const bool pointer = is_pointer(field.type);
  field.is_text = declaration.array && !pointer && has_word(field.type, "char") &&
                  !has_word(field.type, "unsigned") && !has_word(field.type, "signed");
  field.element_size = field.size;
  if (data_loc || rel_loc) {
    field.kind = data_loc ? FieldKind::kDataLoc : FieldKind::kRelLoc;
    const std::uint32_t element = size_of_type(field.type);
    field.element_size = element == 0 ? 1 : element;
  } else if (declaration.array) {
    classify_array(field, declaration);
  } else if (pointer && integer_size(field.size)) {
    field.kind = FieldKind::kPointer;
  } else if (integer_size(field.size) && !has_word(field.type, "struct") && !has_word(field.type, "union")) {
    field.kind = FieldKind::kInteger;
  } else {
    field.kind = FieldKind::kOpaque;
  }
}

Result<std::uint32_t> number_of(std::optional<std::string_view> text, std::uint64_t limit,
                                std::string_view system, std::string_view line) {
  if (!text) return corrupt(system, "field without offset, size or sign", line);
  const auto value = parse_u64(*text);
  if (!value || *value > limit) return corrupt(system, "bad number in field", line);
  return static_cast<std::uint32_t>(*value);
}

/// One line "field:<declaration>;\toffset:N;\tsize:N;\tsigned:N;".
Result<Field> parse_field(std::string_view line, std::string_view system) {
  if (line.size() > kMaxFieldLine) return corrupt(system, "field line too long", line);
  const std::vector<std::string_view> pieces = split(line, ';');
  const auto text = value_of(pieces[0], "field");
  if (!text || pieces.size() < 4) return corrupt(system, "not a field", line);
  const auto declaration = split_declaration(*text);
  if (!declaration) return corrupt(system, "field declaration makes no sense", line);

  // A record is at most a sub-buffer, so a larger offset or size can never be read: say so once, here.
  constexpr std::uint64_t kLargest = 256u << 10;
  Field field;
  field.name = std::string(declaration->name);
  field.type = std::string(declaration->type);
  IVT_ASSIGN_OR_RETURN(field.offset, number_of(value_of(pieces[1], "offset"), kLargest, system, line));
  IVT_ASSIGN_OR_RETURN(field.size, number_of(value_of(pieces[2], "size"), kLargest, system, line));
  IVT_ASSIGN_OR_RETURN(const std::uint32_t sign, number_of(value_of(pieces[3], "signed"), 1, system, line));
  field.is_signed = sign != 0;
  classify(field, *declaration);
  return field;
}

}  // namespace

const Field* EventFormat::find(std::string_view field_name) const {
  for (const std::vector<Field>* list : {&fields, &common}) {
    for (const Field& field : *list) {
      if (field.name == field_name) return &field;
    }
  }
  return nullptr;
}

Result<EventFormat> parse_event_format(std::string_view text, std::string_view system) {
  if (text.size() > kMaxFormatText) return corrupt(system, "text larger than 1 MiB");
  if (!valid_event_name(system)) return corrupt(system, "not a name of a system");
  EventFormat format;
  format.system = std::string(system);
  bool have_id = false;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trim(text.substr(0, end));
    if (const auto print = value_of(line, "print fmt")) {
      // The last entry; it may hold line breaks of its own, inside string literals.
      const std::string_view rest = trim(text);
      format.print_fmt = std::string(trim(rest.substr(rest.find(':') + 1)));
      break;
    }
    if (const auto name = value_of(line, "name")) {
      if (!valid_event_name(*name)) return corrupt(system, "bad event name", line);
      format.name = std::string(*name);
    } else if (const auto id = value_of(line, "ID")) {
      const auto number = parse_u64(*id);
      if (!number || *number == 0 || *number > 0xffff) return corrupt(system, "bad event ID", line);
      format.id = static_cast<std::uint16_t>(*number);
      have_id = true;
    } else if (line.starts_with("field:")) {
      if (format.common.size() + format.fields.size() >= kMaxFields)
        return corrupt(system, "more than 512 fields");
      IVT_ASSIGN_OR_RETURN(Field field, parse_field(line, system));
      // The common fields stand first, then an empty line; an own field may not pass for one later.
      const bool common = format.fields.empty() && std::string_view(field.name).starts_with("common_");
      (common ? format.common : format.fields).push_back(std::move(field));
    }
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  if (format.name.empty() || !have_id) return corrupt(system, "no name or no ID");
  return format;
}

}  // namespace ivtrace::decode
