// From the syntax tree to the program.
//
// Types follow C on x86-64: what is smaller than int becomes int, an operation is done in the wider of its
// operands' types, unsigned winning ties. Sub-expressions without a load are run here and replaced by their
// value; that makes the long masks of the kernel's flag macros free. Both sides of ?:, && and || are
// computed: nothing in the language has an effect or can trap.
#include "decode/print_compile.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <utility>

#include "decode/print_conversion.h"

namespace ivtrace::decode {
namespace {

Error unsupported(std::string what) {
  return Error(ErrorCode::kUnsupported, "print fmt: " + std::move(what));
}
Error unknown(std::string_view what, std::string_view name) {
  return unsupported(std::string(what) + " \"" + std::string(name) + "\"");
}

CType promoted(CType type) { return type.bytes < 4 ? CType{4, false} : type; }

CType common_type(CType a, CType b) {
  a = promoted(a);
  b = promoted(b);
  if (a.bytes != b.bytes) return a.bytes > b.bytes ? a : b;
  return {a.bytes, a.is_unsigned || b.is_unsigned};
}

struct BinaryOp {
  std::string_view spelling;
  Op op;
  bool swapped;
  enum class Result : std::uint8_t { kCommon, kLeft, kTruth } result;
};
constexpr std::array<BinaryOp, 18> kBinaryOps = {{
    {"+", Op::kAdd, false, BinaryOp::Result::kCommon},
    {"-", Op::kSubtract, false, BinaryOp::Result::kCommon},
    {"*", Op::kMultiply, false, BinaryOp::Result::kCommon},
    {"/", Op::kDivide, false, BinaryOp::Result::kCommon},
    {"%", Op::kRemainder, false, BinaryOp::Result::kCommon},
    {"&", Op::kAnd, false, BinaryOp::Result::kCommon},
    {"|", Op::kOr, false, BinaryOp::Result::kCommon},
    {"^", Op::kXor, false, BinaryOp::Result::kCommon},
    {"<<", Op::kShiftLeft, false, BinaryOp::Result::kLeft},
    {">>", Op::kShiftRight, false, BinaryOp::Result::kLeft},
    {"==", Op::kEqual, false, BinaryOp::Result::kTruth},
    {"!=", Op::kNotEqual, false, BinaryOp::Result::kTruth},
    {"<", Op::kLess, false, BinaryOp::Result::kTruth},
    {">", Op::kLess, true, BinaryOp::Result::kTruth},
    {"<=", Op::kLessEqual, false, BinaryOp::Result::kTruth},
    {">=", Op::kLessEqual, true, BinaryOp::Result::kTruth},
    {"&&", Op::kLogicAnd, false, BinaryOp::Result::kTruth},
    {"||", Op::kLogicOr, false, BinaryOp::Result::kTruth},
}};

}  // namespace

Status PrintCompiler::emit(Instruction step, int stack_change) {
  if (program_.code_.size() >= kMaxPrintOps) return unsupported("an expression with too many operations");
  program_.code_.push_back(step);
  stack_ += stack_change;
  if (stack_ > static_cast<int>(kMaxPrintStack)) return unsupported("an expression too wide for the machine");
  return {};
}

Status PrintCompiler::count_step() {
  if (++steps_ > 2 * kMaxPrintNodes) return unsupported("locals that double each other");
  return {};
}

void PrintCompiler::fold(std::size_t first) {
  auto& code = program_.code_;
  for (std::size_t i = first; i < code.size(); ++i) {
    if (code[i].op >= Op::kLoad && code[i].op <= Op::kLength) return;
  }
  Instruction constant;
  constant.immediate = evaluate(code.data() + first, code.size() - first, {});
  code.resize(first);
  code.push_back(constant);
}

Status PrintCompiler::convert(CType from, CType to) {
  const bool same = from.bytes == to.bytes && from.is_unsigned == to.is_unsigned;
  // A wider type keeps the 64-bit word, but for a negative one that becomes an unsigned int.
  const bool widens = to.bytes > from.bytes && (from.is_unsigned || !to.is_unsigned);
  return same || widens ? Status{} : narrow_to(to);
}

Status PrintCompiler::convert_under(CType from, CType to, std::size_t end) {
  auto& code = program_.code_;
  const std::size_t before = code.size();
  IVT_RETURN_IF_ERROR(convert(from, to));
  if (code.size() > before)
    std::rotate(code.begin() + static_cast<std::ptrdiff_t>(end), code.end() - 1, code.end());
  return {};
}

Status PrintCompiler::narrow_to(CType type) {
  if (type.bytes == 8) return {};
  Instruction step;
  step.op = Op::kNarrow;
  step.bytes = type.bytes;
  step.is_unsigned = type.is_unsigned;
  return emit(step, 0);
}

Result<CType> PrintCompiler::number(NodeId id) {
  IVT_RETURN_IF_ERROR(count_step());
  const std::size_t first = program_.code_.size();
  IVT_ASSIGN_OR_RETURN(const CType type, number_unfolded(id));
  if (program_.code_.size() > first + 1) fold(first);
  return type;
}

Result<CType> PrintCompiler::number_unfolded(NodeId id) {
  const Node& node = syntax_.at(id);
  switch (node.kind) {
    case NodeKind::kNumber:
      return constant(node.number, {node.bytes, node.is_unsigned});
    case NodeKind::kField:
      return field_value(node);
    case NodeKind::kCall:
      return call_value(node);
    case NodeKind::kUnary:
      return unary(node);
    case NodeKind::kBinary:
      return binary(node);
    case NodeKind::kTernary:
      return ternary(node);
    case NodeKind::kCast:
      return cast(node);
    case NodeKind::kIndex:
      return element(node.kids[0], node.kids[1]);
    case NodeKind::kSizeof: {
      IVT_ASSIGN_OR_RETURN(const CType type, resolve_type(node));
      return constant(type.bytes, {8, true});
    }
    case NodeKind::kName:
      return unknown("unknown constant", node.name);
    case NodeKind::kString:
    case NodeKind::kEntry:
      break;
  }
  return unsupported("text where a number is wanted");
}

Result<CType> PrintCompiler::constant(std::uint64_t value, CType type) {
  Instruction step;
  step.immediate = value;
  IVT_RETURN_IF_ERROR(emit(step, 1));
  return type;
}

Result<const Field*> PrintCompiler::find_field(std::string_view name) {
  const Field* field = format_.find(name);
  if (field == nullptr) return unknown("no field", name);
  // What every record must hold; the sum cannot wrap, both are 32 bits.
  const std::uint64_t end = std::uint64_t{field->offset} + field->size;
  if (end > 0xffff'ffff) return unknown("no record holds the field", name);
  program_.min_record_ = std::max(program_.min_record_, static_cast<std::uint32_t>(end));
  return field;
}

Result<CType> PrintCompiler::field_value(const Node& node) {
  IVT_ASSIGN_OR_RETURN(const Field* field, find_field(node.name));
  if (field->kind != FieldKind::kInteger && field->kind != FieldKind::kPointer) {
    return unknown("the address of field", node.name);
  }
  Instruction step;
  step.op = Op::kLoad;
  step.offset = field->offset;
  step.bytes = static_cast<std::uint8_t>(field->size);
  step.is_unsigned = field->kind == FieldKind::kPointer || !field->is_signed;
  IVT_RETURN_IF_ERROR(emit(step, 1));
  return CType{step.bytes, step.is_unsigned};
}

Result<const Field*> PrintCompiler::dynamic_field(const Node& call) {
  if (call.kids.size() != 1 || syntax_.at(call.kids[0]).kind != NodeKind::kName) {
    return unknown("not a field's name in", call.name);
  }
  IVT_ASSIGN_OR_RETURN(const Field* field, find_field(syntax_.at(call.kids[0]).name));
  if (!field->is_dynamic() || field->size != 4) return unknown("not a dynamic array:", field->name);
  return field;
}

Result<CType> PrintCompiler::call_value(const Node& node) {
  if (node.name == "__get_dynamic_array_len" || node.name == "__get_rel_dynamic_array_len") {
    IVT_ASSIGN_OR_RETURN(const Field* field, dynamic_field(node));
    Instruction step;
    step.op = Op::kLength;
    step.offset = field->offset;
    step.relative = field->kind == FieldKind::kRelLoc;
    IVT_RETURN_IF_ERROR(emit(step, 1));
    return CType{4, false};
  }
  if (node.name == "__builtin_expect" && node.kids.size() == 2) return number(node.kids[0]);
  constexpr std::array<std::pair<std::string_view, std::uint8_t>, 3> kSwaps = {
      {{"__builtin_bswap16", 2}, {"__builtin_bswap32", 4}, {"__builtin_bswap64", 8}}};
  for (const auto& [name, bytes] : kSwaps) {
    if (node.name != name || node.kids.size() != 1) continue;
    if (auto value = number(node.kids[0]); !value) return value;
    Instruction step;
    step.op = Op::kSwapBytes;
    step.bytes = bytes;
    IVT_RETURN_IF_ERROR(emit(step, 0));
    return CType{bytes, true};
  }
  const bool seconds = node.name == "__print_ns_to_secs";
  if ((seconds || node.name == "__print_ns_without_secs") && node.kids.size() == 1) {
    // Whatever its type, the extended word is the u64 that the kernel converts it to.
    if (auto value = number(node.kids[0]); !value) return value;
    IVT_RETURN_IF_ERROR(constant(1'000'000'000, {8, true}));
    Instruction step;
    step.op = seconds ? Op::kDivide : Op::kRemainder;
    IVT_RETURN_IF_ERROR(emit(step, -1));
    return seconds ? CType{8, true} : CType{4, true};
  }
  return unknown("unknown function", node.name);
}

Result<CType> PrintCompiler::unary(const Node& node) {
  if (node.name == "*") return element(node.kids[0], kNoNode);
  if (node.name == "&") return unsupported("an address where a number is wanted");
  IVT_ASSIGN_OR_RETURN(const CType operand, number(node.kids[0]));
  const CType type = promoted(operand);
  Instruction step;
  if (node.name == "!") {
    step.op = Op::kIsZero;
    IVT_RETURN_IF_ERROR(emit(step, 0));
    return CType{4, false};
  }
  if (node.name == "+") return type;
  step.op = node.name == "-" ? Op::kNegate : Op::kComplement;
  IVT_RETURN_IF_ERROR(emit(step, 0));
  IVT_RETURN_IF_ERROR(narrow_to(type));
  return type;
}

Result<CType> PrintCompiler::binary(const Node& node) {
  const auto* found = std::ranges::find(kBinaryOps, node.name, &BinaryOp::spelling);
  if (found == kBinaryOps.end()) return unknown("operator", node.name);
  const NodeId left_id = node.kids[found->swapped ? 1 : 0];
  const NodeId right_id = node.kids[found->swapped ? 0 : 1];
  IVT_ASSIGN_OR_RETURN(const CType left, number(left_id));
  const std::size_t left_end = program_.code_.size();
  IVT_ASSIGN_OR_RETURN(const CType right, number(right_id));
  const bool shift = found->result == BinaryOp::Result::kLeft;
  const bool logic = found->op == Op::kLogicAnd || found->op == Op::kLogicOr;
  const CType type = shift ? promoted(left) : common_type(left, right);
  if (!shift && !logic) {
    IVT_RETURN_IF_ERROR(convert(right, type));
    IVT_RETURN_IF_ERROR(convert_under(left, type, left_end));
  }
  Instruction step;
  step.op = found->op;
  step.bytes = type.bytes;
  step.is_unsigned = type.is_unsigned;
  IVT_RETURN_IF_ERROR(emit(step, -1));
  if (found->result == BinaryOp::Result::kTruth) return CType{4, false};
  IVT_RETURN_IF_ERROR(narrow_to(type));
  return type;
}

Result<CType> PrintCompiler::ternary(const Node& node) {
  if (auto condition = number(node.kids[0]); !condition) return condition;
  IVT_ASSIGN_OR_RETURN(const CType then, number(node.kids[1]));
  const std::size_t then_end = program_.code_.size();
  IVT_ASSIGN_OR_RETURN(const CType otherwise, number(node.kids[2]));
  const CType type = common_type(then, otherwise);
  IVT_RETURN_IF_ERROR(convert(otherwise, type));
  IVT_RETURN_IF_ERROR(convert_under(then, type, then_end));
  Instruction step;
  step.op = Op::kSelect;
  IVT_RETURN_IF_ERROR(emit(step, -2));
  return type;
}

Result<CType> PrintCompiler::resolve_type(const Node& node) {
  if (node.pointers > 0) return CType{8, true};
  if (is_boolean(node.text)) return CType{1, true};
  if (const auto known = find_type(node.text)) return *known;
  // The kernel's typedefs are many; one that a field of this event has is told by the format.
  for (const Field& field : format_.fields) {
    if (field.kind == FieldKind::kInteger && field.type == node.text) {
      return CType{static_cast<std::uint8_t>(field.size), !field.is_signed};
    }
  }
  if (node.text.starts_with("enum ")) return CType{4, true};
  return unknown("unknown type", node.text);
}

Result<CType> PrintCompiler::cast(const Node& node) {
  IVT_ASSIGN_OR_RETURN(const CType to, resolve_type(node));
  IVT_ASSIGN_OR_RETURN(const CType from, number(node.kids[0]));
  if (node.pointers == 0 && is_boolean(node.text)) {
    Instruction step;
    step.op = Op::kIsZero;
    IVT_RETURN_IF_ERROR(emit(step, 0));
    IVT_RETURN_IF_ERROR(emit(step, 0));
  } else {
    IVT_RETURN_IF_ERROR(convert(from, to));
  }
  return to;
}

Result<CType> PrintCompiler::element(NodeId base, NodeId index) {
  std::optional<CType> type;
  while (syntax_.at(base).kind == NodeKind::kCast && syntax_.at(base).pointers > 0) {
    if (!type) {
      Node pointee;
      pointee.text = syntax_.at(base).text;
      pointee.pointers = static_cast<std::uint8_t>(syntax_.at(base).pointers - 1);
      IVT_ASSIGN_OR_RETURN(type, resolve_type(pointee));
    }
    base = syntax_.at(base).kids[0];
  }
  IVT_ASSIGN_OR_RETURN(const ByteSource array, bytes(base));
  if (!type) {
    IVT_ASSIGN_OR_RETURN(type, element_type(base));
  }
  if (array.kind == ByteSource::Kind::kTail) return unsupported("an element of an array without a size");
  if (index == kNoNode) {
    IVT_RETURN_IF_ERROR(constant(0, {}));
  } else if (auto value = number(index); !value) {
    return value;
  }
  Instruction step;
  step.op = array.kind == ByteSource::Kind::kFixed ? Op::kLoadElement : Op::kLoadDynamic;
  step.bytes = type->bytes;
  step.is_unsigned = type->is_unsigned;
  step.relative = array.relative;
  step.offset = array.offset;
  step.immediate = array.size / step.bytes;
  Instruction& last = program_.code_.back();
  if (step.op == Op::kLoadElement && last.op == Op::kConst && last.immediate < step.immediate) {
    step.op = Op::kLoad;
    step.offset += static_cast<std::uint32_t>(last.immediate * step.bytes);
    last = step;
    return *type;
  }
  IVT_RETURN_IF_ERROR(emit(step, 0));
  return *type;
}

Result<CType> PrintCompiler::element_type(NodeId base) {
  const Node& node = syntax_.at(base);
  const Field* field = nullptr;
  if (node.kind == NodeKind::kField) field = format_.find(node.name);
  if (node.kind == NodeKind::kCall && node.kids.size() == 1)
    field = format_.find(syntax_.at(node.kids[0]).name);
  if (field == nullptr || std::popcount(field->element_size) != 1 || field->element_size > 8) {
    return unsupported("an element of unknown type");
  }
  return CType{static_cast<std::uint8_t>(field->element_size), !field->is_signed};
}

}  // namespace ivtrace::decode
