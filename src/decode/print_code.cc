#include "decode/print_code.h"

#include <algorithm>
#include <array>

namespace ivtrace::decode {
namespace {

/// `record` holds the locator itself.
RecordBytes located(RecordBytes record, std::uint32_t offset, bool relative) {
  const auto locator = static_cast<std::uint32_t>(load_unsigned(record.data() + offset, 4));
  const std::size_t start = (locator & 0xffff) + (relative ? offset + 4 : 0);
  if (start >= record.size()) return {};
  return record.subspan(start, std::min<std::size_t>(locator >> 16, record.size() - start));
}

std::uint64_t element(const Instruction& step, RecordBytes array, std::uint64_t index) {
  return index < array.size() / step.bytes ? load_word(array.data() + index * step.bytes, step) : 0;
}

std::uint64_t divide(std::uint64_t left, std::uint64_t right, bool is_unsigned, bool remainder) {
  if (right == 0) return 0;
  if (is_unsigned) return remainder ? left % right : left / right;
  if (right == ~std::uint64_t{0}) return remainder ? 0 : 0 - left;  // INT64_MIN / -1 traps
  const auto a = static_cast<std::int64_t>(left);
  const auto b = static_cast<std::int64_t>(right);
  return static_cast<std::uint64_t>(remainder ? a % b : a / b);
}

bool less(std::uint64_t left, std::uint64_t right, bool is_unsigned) {
  return is_unsigned ? left < right : static_cast<std::int64_t>(left) < static_cast<std::int64_t>(right);
}

/// Operations on two words. Shift counts are masked as x86 does it.
std::uint64_t combine(const Instruction& step, std::uint64_t left, std::uint64_t right) {
  const unsigned count = static_cast<unsigned>(right) & (step.bytes * 8u - 1);
  switch (step.op) {
    case Op::kAdd:
      return left + right;
    case Op::kSubtract:
      return left - right;
    case Op::kMultiply:
      return left * right;
    case Op::kDivide:
      return divide(left, right, step.is_unsigned, false);
    case Op::kRemainder:
      return divide(left, right, step.is_unsigned, true);
    case Op::kAnd:
      return left & right;
    case Op::kOr:
      return left | right;
    case Op::kXor:
      return left ^ right;
    case Op::kShiftLeft:
      return left << count;
    case Op::kShiftRight:
      return step.is_unsigned ? left >> count
                              : static_cast<std::uint64_t>(static_cast<std::int64_t>(left) >> count);
    case Op::kEqual:
      return left == right;
    case Op::kNotEqual:
      return left != right;
    case Op::kLess:
      return less(left, right, step.is_unsigned);
    case Op::kLessEqual:
      return !less(right, left, step.is_unsigned);
    case Op::kLogicAnd:
      return left != 0 && right != 0;
    case Op::kLogicOr:
      return left != 0 || right != 0;
    default:
      return 0;
  }
}

}  // namespace

std::uint64_t evaluate(const Instruction* code, std::size_t count, RecordBytes record) {
  std::array<std::uint64_t, kMaxPrintStack> stack;
  std::uint64_t* top = stack.data();  // one above the topmost word
  for (std::size_t i = 0; i < count; ++i) {
    const Instruction& step = code[i];
    switch (step.op) {
      case Op::kConst:
        *top++ = step.immediate;
        break;
      case Op::kLoad:
        *top++ = load_word(record.data() + step.offset, step);
        break;
      case Op::kLength:
        *top++ = located(record, step.offset, step.relative).size();
        break;
      case Op::kLoadElement:
        top[-1] = element(step, record.subspan(step.offset, step.immediate * step.bytes), top[-1]);
        break;
      case Op::kLoadDynamic:
        top[-1] = element(step, located(record, step.offset, step.relative), top[-1]);
        break;
      case Op::kNegate:
        top[-1] = 0 - top[-1];
        break;
      case Op::kComplement:
        top[-1] = ~top[-1];
        break;
      case Op::kIsZero:
        top[-1] = top[-1] == 0;
        break;
      case Op::kSwapBytes:
        top[-1] = __builtin_bswap64(top[-1]) >> (64 - 8 * step.bytes);
        break;
      case Op::kNarrow:
        top[-1] = narrow(top[-1], step.bytes, step.is_unsigned);
        break;
      case Op::kSelect:
        top -= 2;
        top[-1] = top[-1] != 0 ? top[0] : top[1];
        break;
      default:
        --top;
        top[-1] = combine(step, top[-1], top[0]);
    }
  }
  return stack[0];
}

RecordBytes source_bytes(const ByteSource& source, RecordBytes record) {
  switch (source.kind) {
    case ByteSource::Kind::kFixed:
      return record.subspan(source.offset, source.size);
    case ByteSource::Kind::kDynamic:
      return located(record, source.offset, source.relative);
    case ByteSource::Kind::kTail:
      return record.subspan(source.offset);
  }
  return {};
}

}  // namespace ivtrace::decode
