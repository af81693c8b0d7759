// The compiler's other half: conversions, texts and bytes. Numbers are in print_compile.cc.
#include <algorithm>
#include <array>
#include <utility>

#include "decode/print_compile.h"

namespace ivtrace::decode {
namespace {

Error unsupported(std::string what) {
  return Error(ErrorCode::kUnsupported, "print fmt: " + std::move(what));
}
Error unknown(std::string_view what, std::string_view name) {
  return unsupported(std::string(what) + " \"" + std::string(name) + "\"");
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

bool is_array_call(std::string_view name) {
  return is_one_of(name, {"__get_str", "__get_rel_str", "__get_dynamic_array", "__get_rel_dynamic_array",
                          "__get_sockaddr", "__get_rel_sockaddr"});
}

}  // namespace

Result<PrintProgram> PrintCompiler::compile() {
  const std::string_view format = syntax_.format;
  std::string literal;
  std::size_t position = 0;
  while (position < format.size()) {
    if (format[position] != '%') {
      literal += format[position++];
      continue;
    }
    IVT_ASSIGN_OR_RETURN(const Conversion conversion, parse_conversion(format, ++position));
    if (conversion.format.conversion == '%') {
      literal += '%';
      continue;
    }
    literal_piece(std::exchange(literal, {}));
    IVT_RETURN_IF_ERROR(piece(conversion));
  }
  literal_piece(literal);
  return std::move(program_);
}

TextRange PrintCompiler::keep(std::string_view text) {
  const TextRange range{static_cast<std::uint32_t>(program_.literals_.size()),
                        static_cast<std::uint32_t>(text.size())};
  program_.literals_ += text;
  return range;
}

void PrintCompiler::literal_piece(std::string_view text) {
  if (text.empty()) return;
  Piece piece;
  piece.literal = keep(text);
  program_.pieces_.push_back(piece);
}

Result<NodeId> PrintCompiler::next_argument() {
  if (argument_ >= syntax_.arguments.size()) return unsupported("a conversion without an argument");
  return syntax_.arguments[argument_++];
}

Result<CodeRange> PrintCompiler::code_of(NodeId id) {
  stack_ = 0;
  const auto first = static_cast<std::uint32_t>(program_.code_.size());
  IVT_ASSIGN_OR_RETURN(const CType type, number(id));
  static_cast<void>(type);  // every user cuts the word to what it wants
  return CodeRange{first, static_cast<std::uint32_t>(program_.code_.size()) - first};
}

Result<CodeRange> PrintCompiler::argument_code() {
  IVT_ASSIGN_OR_RETURN(const NodeId argument, next_argument());
  return code_of(argument);
}

Status PrintCompiler::piece(const Conversion& conversion) {
  Piece piece;
  piece.format = conversion.format;
  piece.bytes = conversion.bytes;
  if (conversion.width_argument) {
    IVT_ASSIGN_OR_RETURN(piece.width, argument_code());
  }
  if (conversion.precision_argument) {
    IVT_ASSIGN_OR_RETURN(piece.precision, argument_code());
  }
  switch (conversion.format.conversion) {
    case 's': {
      IVT_ASSIGN_OR_RETURN(const NodeId argument, next_argument());
      piece.kind = Piece::Kind::kText;
      IVT_ASSIGN_OR_RETURN(piece.text, text(argument));
      break;
    }
    case 'p':
      IVT_RETURN_IF_ERROR(pointer_piece(conversion, piece));
      break;
    default: {
      piece.kind = Piece::Kind::kNumber;
      IVT_ASSIGN_OR_RETURN(piece.value, argument_code());
    }
  }
  program_.pieces_.push_back(piece);
  return {};
}

Status PrintCompiler::pointer_piece(const Conversion& conversion, Piece& piece) {
  const std::string_view extension = conversion.extension;
  if (is_one_of(extension, {"", "x", "S", "s", "F", "f", "SR", "sR", "Sb"})) {
    piece.kind = extension.empty()                         ? Piece::Kind::kPointer
                 : extension == "x"                        ? Piece::Kind::kHexPointer
                 : extension[0] == 'S' || extension == "F" ? Piece::Kind::kSymbolOffset
                                                           : Piece::Kind::kSymbol;
    IVT_ASSIGN_OR_RETURN(piece.value, argument_code());
    return {};
  }
  if (extension.size() >= sizeof piece.extension ||
      std::string_view("IiMmU").find(extension[0]) == extension.npos) {
    return unknown("unknown pointer conversion", extension);
  }
  piece.kind = Piece::Kind::kAddress;
  std::ranges::copy(extension, piece.extension);
  IVT_ASSIGN_OR_RETURN(const NodeId argument, next_argument());
  IVT_ASSIGN_OR_RETURN(piece.source, bytes(argument));
  return {};
}

Result<TextId> PrintCompiler::text(NodeId id) {
  IVT_RETURN_IF_ERROR(count_step());
  IVT_ASSIGN_OR_RETURN(const TextSource source, text_source(id));
  if (program_.texts_.size() >= kMaxPrintOps || program_.literals_.size() > 2 * kMaxPrintText) {
    return unsupported("too much text");
  }
  program_.texts_.push_back(source);
  return static_cast<TextId>(program_.texts_.size() - 1);
}

Result<TextSource> PrintCompiler::text_source(NodeId id) {
  const Node& node = syntax_.at(id);
  TextSource source;
  switch (node.kind) {
    case NodeKind::kString:
      source.literal = keep(node.text);
      return source;
    case NodeKind::kCall:
      return call_text(node);
    case NodeKind::kTernary: {
      source.kind = TextSource::Kind::kChoice;
      IVT_ASSIGN_OR_RETURN(source.value, code_of(node.kids[0]));
      IVT_ASSIGN_OR_RETURN(source.then, text(node.kids[1]));
      IVT_ASSIGN_OR_RETURN(source.otherwise, text(node.kids[2]));
      return source;
    }
    case NodeKind::kCast:
      if (node.pointers > 0) return text_source(node.kids[0]);
      break;
    case NodeKind::kField: {
      IVT_ASSIGN_OR_RETURN(const Field* field, find_field(node.name));
      if (field->is_array() && field->element_size == 1) {
        source.kind = TextSource::Kind::kBytes;
        IVT_ASSIGN_OR_RETURN(source.bytes, field_source(*field, node.name));
        return source;
      }
      if (field->size != 8) return unknown("no text in field", node.name);
      break;
    }
    default:
      break;
  }
  source.kind = TextSource::Kind::kPointer;
  IVT_ASSIGN_OR_RETURN(source.value, code_of(id));
  return source;
}

Result<TextSource> PrintCompiler::call_text(const Node& node) {
  TextSource source;
  if (is_array_call(node.name)) {
    IVT_ASSIGN_OR_RETURN(const Field* field, dynamic_field(node));
    source.kind = TextSource::Kind::kBytes;
    IVT_ASSIGN_OR_RETURN(source.bytes, field_source(*field, field->name));
    return source;
  }
  if (is_one_of(node.name, {"__get_bitmask", "__get_rel_bitmask", "__get_cpumask", "__get_rel_cpumask"})) {
    IVT_ASSIGN_OR_RETURN(const Field* field, dynamic_field(node));
    source.kind = node.name.ends_with("bitmask") ? TextSource::Kind::kBitmask : TextSource::Kind::kCpuList;
    IVT_ASSIGN_OR_RETURN(source.bytes, field_source(*field, field->name));
    return source;
  }
  if (is_one_of(node.name, {"__print_flags", "__print_flags_u64"})) return named_values(node, true);
  if (is_one_of(node.name, {"__print_symbolic", "__print_symbolic_u64"})) return named_values(node, false);
  if (is_one_of(node.name, {"__print_hex", "__print_hex_str", "__print_array"})) return byte_list(node);
  return unknown("unknown function", node.name);
}

Result<TextSource> PrintCompiler::named_values(const Node& node, bool flags) {
  TextSource source;
  source.kind = flags ? TextSource::Kind::kFlags : TextSource::Kind::kSymbol;
  const std::size_t first = flags ? 2 : 1;
  if (node.kids.size() < first) return unsupported("a list of names without a value");
  IVT_ASSIGN_OR_RETURN(source.value, code_of(node.kids[0]));
  if (flags) {
    const Node& delimiter = syntax_.at(node.kids[1]);
    if (delimiter.kind != NodeKind::kString) return unsupported("flags without a delimiter");
    source.literal = keep(delimiter.text);
  }
  source.first_entry = static_cast<std::uint32_t>(program_.entries_.size());
  for (const NodeId id : std::span(node.kids).subspan(first)) {
    const Node& entry = syntax_.at(id);
    if (entry.kind != NodeKind::kEntry) return unsupported("a list of names with something else in it");
    if (entry.kids.empty()) break;  // no name: the kernel's own loop ends here
    // A constant that the kernel did not resolve has no value here: its name cannot be shown, but all others
    // can.
    IVT_ASSIGN_OR_RETURN(const bool unresolved, has_unresolved(entry.kids[0]));
    if (unresolved) continue;
    IVT_ASSIGN_OR_RETURN(const CodeRange value, code_of(entry.kids[0]));
    const Instruction last = program_.code_.back();
    if (value.count != 1 || last.op != Op::kConst) return unsupported("a list value that is not constant");
    program_.code_.pop_back();
    if (program_.entries_.size() >= kMaxPrintEntries) return unsupported("too long a list of names");
    program_.entries_.push_back({last.immediate, keep(entry.text)});
    ++source.entries;
  }
  return source;
}

Result<bool> PrintCompiler::has_unresolved(NodeId id) {
  IVT_RETURN_IF_ERROR(count_step());
  if (syntax_.at(id).kind == NodeKind::kName) return true;
  for (const NodeId kid : syntax_.at(id).kids) {
    IVT_ASSIGN_OR_RETURN(const bool unresolved, has_unresolved(kid));
    if (unresolved) return true;
  }
  return false;
}

Result<TextSource> PrintCompiler::byte_list(const Node& node) {
  TextSource source;
  const bool array = node.name == "__print_array";
  if (node.kids.size() != (array ? 3 : 2)) return unsupported("a list of bytes without a size");
  source.kind = array ? TextSource::Kind::kArray : TextSource::Kind::kHex;
  IVT_ASSIGN_OR_RETURN(source.bytes, bytes(node.kids[0]));
  IVT_ASSIGN_OR_RETURN(source.value, code_of(node.kids[1]));
  if (array) {
    IVT_ASSIGN_OR_RETURN(source.element, code_of(node.kids[2]));
  }
  source.literal = keep(node.name == "__print_hex" ? " " : array ? "," : "");
  return source;
}

Result<ByteSource> PrintCompiler::bytes(NodeId id) {
  const Node& node = syntax_.at(id);
  switch (node.kind) {
    case NodeKind::kCast:
      if (node.pointers > 0) return bytes(node.kids[0]);
      break;
    case NodeKind::kUnary:
      if (node.name == "&" && syntax_.at(node.kids[0]).kind == NodeKind::kField) {
        IVT_ASSIGN_OR_RETURN(const Field* field, find_field(syntax_.at(node.kids[0]).name));
        return ByteSource{ByteSource::Kind::kFixed, false, field->offset, field->size};
      }
      break;
    case NodeKind::kField: {
      IVT_ASSIGN_OR_RETURN(const Field* field, find_field(node.name));
      return field_source(*field, node.name);
    }
    case NodeKind::kCall:
      if (is_array_call(node.name)) {
        IVT_ASSIGN_OR_RETURN(const Field* field, dynamic_field(node));
        return field_source(*field, field->name);
      }
      break;
    default:
      break;
  }
  return unsupported("something whose bytes are not in the record");
}

Result<ByteSource> PrintCompiler::field_source(const Field& field, std::string_view name) {
  ByteSource source;
  source.offset = field.offset;
  source.size = field.size;
  switch (field.kind) {
    case FieldKind::kCharArray:
    case FieldKind::kArray:
    case FieldKind::kOpaque:
      return source;
    case FieldKind::kTail:
      source.kind = ByteSource::Kind::kTail;
      return source;
    case FieldKind::kDataLoc:
    case FieldKind::kRelLoc:
      if (field.size != 4) break;
      source.kind = ByteSource::Kind::kDynamic;
      source.relative = field.kind == FieldKind::kRelLoc;
      return source;
    case FieldKind::kInteger:
    case FieldKind::kPointer:
      break;
  }
  return unknown("no array in field", name);
}

Result<PrintProgram> compile_print(const EventFormat& format) {
  IVT_ASSIGN_OR_RETURN(const PrintSyntax syntax, parse_print_syntax(format.print_fmt));
  return PrintCompiler(format, syntax).compile();
}

}  // namespace ivtrace::decode
