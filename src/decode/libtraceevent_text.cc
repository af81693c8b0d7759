// libtraceevent 1.7.1 looks fields up and uses them unseen, rotates half-built operator trees, takes lengths,
// indexes and divisors as they come. A list of what it must not see would never be complete, so this is the
// opposite: a writer for the few shapes that it is known to read well. What the writer has no words for is
// refused, and what it writes has only fields that exist, plain texts, and no operator that is not in
// parentheses.
#include "decode/libtraceevent_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "decode/print_conversion.h"
#include "decode/print_syntax.h"

namespace ivtrace::decode {
namespace {

/// Deep enough for every real print fmt; each level is several of libtraceevent's calls within each other.
constexpr unsigned kMaxDepth = 64;

Error unsupported(const char* what) {
  return Error(ErrorCode::kUnsupported, std::string("libtraceevent: ") + what);
}

bool is_word_character(char c) {
  return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

bool is_plain(std::string_view text, std::string_view also = {}) {
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return is_word_character(c) || also.find(c) != std::string_view::npos;
  });
}

/// Writes arguments of one print fmt. Every failure is final.
class ArgumentWriter {
 public:
  ArgumentWriter(const EventFormat& format, const PrintSyntax& syntax, std::string& out)
      : format_(format), syntax_(syntax), out_(out) {}

  Status write(NodeId id);
  Status quoted(std::string_view text);

 private:
  Status constant(std::uint64_t value);
  Status field(const Node& node);
  Status element(const Node& node);
  Status binary(const Node& node);
  Status ternary(const Node& node);
  Status cast(const Node& node);
  Status call(const Node& node);
  Status names(const Node& node, bool flags);

  const EventFormat& format_;
  const PrintSyntax& syntax_;
  std::string& out_;
};

Status ArgumentWriter::write(NodeId id) {
  // A local that is used twice is written twice.
  if (out_.size() > kMaxPrintText) return unsupported("too long an expression");
  const Node& node = syntax_.at(id);
  if (node.depth > kMaxDepth) return unsupported("too deeply nested");
  switch (node.kind) {
    case NodeKind::kNumber:
      return constant(node.number);
    case NodeKind::kString:
      return quoted(node.text);
    case NodeKind::kName:
      out_ += node.name;
      return {};
    case NodeKind::kField:
      return field(node);
    case NodeKind::kIndex:
      return element(node);
    case NodeKind::kBinary:
      return binary(node);
    case NodeKind::kTernary:
      return ternary(node);
    case NodeKind::kCast:
      return cast(node);
    case NodeKind::kCall:
      return call(node);
    case NodeKind::kUnary:
      if (node.name == "-" && syntax_.at(node.kids[0]).kind == NodeKind::kNumber) {
        return constant(0 - syntax_.at(node.kids[0]).number);
      }
      break;
    case NodeKind::kSizeof:
    case NodeKind::kEntry:
      break;
  }
  return unsupported("an operator that it does not read well");
}

Status ArgumentWriter::constant(std::uint64_t value) {
  fmt::format_to(std::back_inserter(out_), "{:#x}", value);
  return {};
}

Status ArgumentWriter::quoted(std::string_view text) {
  out_ += '"';
  for (const char c : text) {
    if (c == '\n' || c == '\t') {
      out_ += c == '\n' ? "\\n" : "\\t";
    } else if (c < ' ' || c > '~' || c == '"' || c == '\\') {
      return unsupported("a text with strange characters");
    } else {
      out_ += c;
    }
  }
  out_ += '"';
  return {};
}

Status ArgumentWriter::field(const Node& node) {
  if (format_.find(node.name) == nullptr) return unsupported("a field that is not there");
  out_ += "REC->";
  out_ += node.name;
  return {};
}

Status ArgumentWriter::element(const Node& node) {
  const Node& base = syntax_.at(node.kids[0]);
  const Node& index = syntax_.at(node.kids[1]);
  const Field* array = base.kind == NodeKind::kField ? format_.find(base.name) : nullptr;
  if (array == nullptr || array->kind != FieldKind::kArray || index.kind != NodeKind::kNumber ||
      index.number >= array->count) {
    return unsupported("an index that it would not check");
  }
  fmt::format_to(std::back_inserter(out_), "(REC->{}[{}])", base.name, index.number);
  return {};
}

Status ArgumentWriter::binary(const Node& node) {
  const Node& right = syntax_.at(node.kids[1]);
  const bool divides = node.name == "/" || node.name == "%";
  if (divides && (right.kind != NodeKind::kNumber || right.number == 0)) {
    return unsupported("a division that may be by zero");
  }
  out_ += '(';
  IVT_RETURN_IF_ERROR(write(node.kids[0]));
  fmt::format_to(std::back_inserter(out_), " {} ", node.name);
  IVT_RETURN_IF_ERROR(write(node.kids[1]));
  out_ += ')';
  return {};
}

Status ArgumentWriter::ternary(const Node& node) {
  out_ += '(';
  IVT_RETURN_IF_ERROR(write(node.kids[0]));
  out_ += " ? ";
  IVT_RETURN_IF_ERROR(write(node.kids[1]));
  out_ += " : ";
  IVT_RETURN_IF_ERROR(write(node.kids[2]));
  out_ += ')';
  return {};
}

Status ArgumentWriter::cast(const Node& node) {
  if (!is_plain(node.text, " ")) return unsupported("a type with strange characters");
  fmt::format_to(std::back_inserter(out_), "(({}{})(", node.text, node.pointers > 0 ? " *" : "");
  IVT_RETURN_IF_ERROR(write(node.kids[0]));
  out_ += "))";
  return {};
}

Status ArgumentWriter::call(const Node& node) {
  constexpr std::array<std::string_view, 8> kOfArray = {"__get_str",
                                                        "__get_rel_str",
                                                        "__get_dynamic_array",
                                                        "__get_rel_dynamic_array",
                                                        "__get_dynamic_array_len",
                                                        "__get_bitmask",
                                                        "__get_cpumask",
                                                        "__get_rel_bitmask"};
  if (node.name == "__print_flags" || node.name == "__print_symbolic")
    return names(node, node.name == "__print_flags");
  if (std::ranges::find(kOfArray, node.name) == kOfArray.end() || node.kids.size() != 1) {
    return unsupported("a function that it would not bound");
  }
  const Node& name = syntax_.at(node.kids[0]);
  const Field* array = name.kind == NodeKind::kName ? format_.find(name.name) : nullptr;
  if (array == nullptr || !array->is_dynamic() || array->size != 4)
    return unsupported("an array that is not there");
  fmt::format_to(std::back_inserter(out_), "{}({})", node.name, name.name);
  return {};
}

Status ArgumentWriter::names(const Node& node, bool flags) {
  const std::size_t first = flags ? 2 : 1;
  if (node.kids.size() <= first) return unsupported("a list without names");
  out_ += node.name;
  out_ += '(';
  IVT_RETURN_IF_ERROR(write(node.kids[0]));
  if (flags) {
    if (syntax_.at(node.kids[1]).kind != NodeKind::kString) return unsupported("flags without a delimiter");
    out_ += ", ";
    IVT_RETURN_IF_ERROR(quoted(syntax_.at(node.kids[1]).text));
  }
  bool any = false;
  for (std::size_t i = first; i < node.kids.size(); ++i) {
    const Node& entry = syntax_.at(node.kids[i]);
    if (entry.kind != NodeKind::kEntry) return unsupported("a list with something else in it");
    if (entry.kids.empty()) break;
    any = true;
    out_ += ", { ";
    IVT_RETURN_IF_ERROR(write(entry.kids[0]));
    out_ += ", ";
    IVT_RETURN_IF_ERROR(quoted(entry.text));
    out_ += " }";
  }
  if (!any) return unsupported("a list without names");
  out_ += ')';
  return {};
}

/// The conversions stay as they are, but those that the record could blow up.
Status check_conversions(const PrintSyntax& syntax) {
  std::size_t arguments = 0;
  for (std::size_t position = 0; position < syntax.format.size();) {
    if (syntax.format[position++] != '%') continue;
    IVT_ASSIGN_OR_RETURN(const Conversion conversion, parse_conversion(syntax.format, position));
    if (conversion.width_argument || conversion.precision_argument)
      return unsupported("a width from the record");
    constexpr std::string_view kLetters = "SsFfMmIiU";
    if (!conversion.extension.empty() && kLetters.find(conversion.extension[0]) == std::string_view::npos) {
      return unsupported("a pointer conversion that it would not bound");
    }
    if (conversion.format.conversion != '%') ++arguments;
  }
  return arguments == syntax.arguments.size() ? Status{}
                                              : unsupported("conversions and arguments that do not match");
}

Status check_names(const EventFormat& format, bool types) {
  const auto plain = [&](const Field& field) {
    return is_plain(field.name) && (!types || is_plain(field.type, " *"));
  };
  const bool all = is_plain(format.name, "-") && is_plain(format.system, "-") &&
                   std::ranges::all_of(format.common, plain) && std::ranges::all_of(format.fields, plain);
  return all ? Status{} : unsupported("a name with strange characters");
}

/// Our word for an integer of that size.
std::string_view integer_type(std::uint32_t size, bool is_signed) {
  switch (size) {
    case 2:
      return is_signed ? "s16" : "u16";
    case 4:
      return is_signed ? "s32" : "u32";
    case 8:
      return is_signed ? "s64" : "u64";
    default:
      return is_signed ? "s8" : "u8";
  }
}

std::string declaration(const Field& field, std::string_view type, std::uint32_t count) {
  switch (field.kind) {
    case FieldKind::kDataLoc:
      return fmt::format("__data_loc {}[] {}", type, field.name);
    case FieldKind::kRelLoc:
      return fmt::format("__rel_loc {}[] {}", type, field.name);
    case FieldKind::kCharArray:
    case FieldKind::kArray:
      return fmt::format("{} {}[{}]", type, field.name, count);
    case FieldKind::kTail:
      return fmt::format("{} {}[]", type, field.name);
    case FieldKind::kInteger:
    case FieldKind::kPointer:
    case FieldKind::kOpaque:
      return fmt::format("{} {}", type, field.name);
  }
  return {};
}

std::string safe_declaration(const Field& field) {
  const bool element = field.element_size == 2 || field.element_size == 4 || field.element_size == 8;
  if (field.kind == FieldKind::kPointer) return fmt::format("void * {}", field.name);
  if (field.kind == FieldKind::kOpaque) return fmt::format("u8 {}[{}]", field.name, field.size);
  if (field.is_text) return declaration(field, "char", field.count);
  if (field.kind == FieldKind::kInteger)
    return declaration(field, integer_type(field.size, field.is_signed), 1);
  return declaration(field, integer_type(element ? field.element_size : 1, field.is_signed),
                     element ? field.count : field.size);
}

void append_fields(std::string& text, const std::vector<Field>& fields, bool safe) {
  for (const Field& field : fields) {
    fmt::format_to(std::back_inserter(text), "\tfield:{};\toffset:{};\tsize:{};\tsigned:{};\n",
                   safe ? safe_declaration(field) : declaration(field, field.type, field.count), field.offset,
                   field.size, field.is_signed ? 1 : 0);
  }
  text += '\n';
}

std::string format_text(const EventFormat& format, std::string_view print_fmt, bool safe) {
  std::string text = fmt::format("name: {}\nID: {}\nformat:\n", format.name, format.id);
  append_fields(text, format.common, safe);
  append_fields(text, format.fields, safe);
  fmt::format_to(std::back_inserter(text), "print fmt: {}\n", print_fmt);
  return text;
}

}  // namespace

Result<std::string> text_for_libtraceevent(const EventFormat& format) {
  IVT_ASSIGN_OR_RETURN(const PrintSyntax syntax, parse_print_syntax(format.print_fmt));
  IVT_RETURN_IF_ERROR(check_names(format, false));
  IVT_RETURN_IF_ERROR(check_conversions(syntax));
  std::string print_fmt;
  ArgumentWriter writer(format, syntax, print_fmt);
  IVT_RETURN_IF_ERROR(writer.quoted(syntax.format));
  for (const NodeId argument : syntax.arguments) {
    print_fmt += ", ";
    IVT_RETURN_IF_ERROR(writer.write(argument));
  }
  return format_text(format, print_fmt, true);
}

Result<std::string> original_format_text(const EventFormat& format) {
  IVT_RETURN_IF_ERROR(check_names(format, true));
  if (const auto syntax = parse_print_syntax(format.print_fmt); !syntax) return syntax.error();
  return format_text(format, format.print_fmt, false);
}

}  // namespace ivtrace::decode
