// What a print fmt is compiled into: a list of pieces, each literal text or one conversion, and for the
// values a stack machine of 64-bit words. Internal to print*.cc; users include decode/print.h.
//
// Every value on the stack is kept sign- or zero-extended to 64 bits according to its C type, so that most
// operations need no width. The compiler knows the deepest stack and the furthest static field beforehand;
// the machine checks neither. What depends on the record's words (locators, indexes, divisors) is checked
// when it is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "decode/field.h"

namespace ivtrace::decode {

inline constexpr std::size_t kMaxPrintOps = 4096;
inline constexpr std::size_t kMaxPrintStack = 64;
/// Width and precision of a conversion, also those that the record tells.
inline constexpr std::uint32_t kMaxPrintWidth = 1024;

enum class Op : std::uint8_t {
  kConst,        ///< push immediate
  kLoad,         ///< push the integer at offset
  kLoadElement,  ///< pop an index; push that element of `count` at offset, or 0
  kLoadDynamic,  ///< pop an index; push that element of the array that the locator at offset tells, or 0
  kLength,       ///< push the byte length of the array that the locator at offset tells
  kNegate,
  kComplement,
  kIsZero,
  kSwapBytes,  ///< of the lowest `bytes` bytes
  kNarrow,     ///< cut to `bytes`, extend by `is_unsigned`
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,     ///< by zero: 0
  kRemainder,  ///< by zero: 0
  kAnd,
  kOr,
  kXor,
  kShiftLeft,
  kShiftRight,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kLogicAnd,
  kLogicOr,
  kSelect,  ///< pop otherwise, then, condition
};

/// One operation. `is_unsigned` and `bytes` are the operands' type, of loads the element's.
struct Instruction {
  Op op = Op::kConst;
  std::uint8_t bytes = 8;
  bool is_unsigned = true;
  bool relative = false;  ///< the locator counts from its own end
  std::uint32_t offset = 0;
  std::uint64_t immediate = 0;  ///< kConst: the value; kLoadElement: the number of elements
};

/// Part of a program's instructions; empty when there is no such value.
struct CodeRange {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

/// Part of a program's texts.
struct TextRange {
  std::uint32_t first = 0;
  std::uint32_t size = 0;
};

/// Bytes of the record that a conversion prints.
struct ByteSource {
  enum class Kind : std::uint8_t { kFixed, kDynamic, kTail } kind = Kind::kFixed;
  bool relative = false;
  std::uint32_t offset = 0;
  std::uint32_t size = 0;
};

using TextId = std::uint32_t;

/// Something that %s prints.
struct TextSource {
  enum class Kind : std::uint8_t {
    kLiteral,  ///< literal
    kBytes,    ///< bytes up to their NUL
    kPointer,  ///< value is an address of a text that the kernel exports, or is shown as hex
    kFlags,    ///< names of value's bits, joined by literal
    kSymbol,   ///< name of value
    kHex,      ///< value = count of bytes, joined by literal
    kArray,    ///< value = count, element = size of one
    kBitmask,  ///< bytes as one hex number, comma after each 32 bits
    kCpuList,  ///< bytes as a list of ranges of set bits
    kChoice,   ///< value ? then : otherwise
  } kind = Kind::kLiteral;
  ByteSource bytes;
  TextRange literal;
  CodeRange value;
  CodeRange element;
  std::uint32_t first_entry = 0;
  std::uint32_t entries = 0;
  TextId then = 0;
  TextId otherwise = 0;
};

/// {mask or value, name} of a list.
struct NamedValue {
  std::uint64_t value = 0;
  TextRange name;
};

/// Flags, width and precision of a printf conversion (C17 7.21.6.1).
struct NumberFormat {
  char conversion = 'd';  ///< d u x X o c
  bool left = false;
  bool zero = false;
  bool plus = false;
  bool blank = false;
  bool alternate = false;
  std::uint16_t width = 0;
  std::int16_t precision = -1;  ///< -1: none

  /// Nothing but the digits and a minus.
  bool is_plain() const { return width == 0 && precision < 0 && !alternate && !plus && !blank; }
};

/// One step of the output.
struct Piece {
  enum class Kind : std::uint8_t {
    kLiteral,
    kNumber,
    kText,
    kPointer,       ///< %p
    kHexPointer,    ///< %px
    kSymbol,        ///< %ps
    kSymbolOffset,  ///< %pS
    kAddress,       ///< %pI4, %pI6, %pIS, %pM, %pU: bytes by `extension`
  } kind = Kind::kLiteral;
  std::uint8_t bytes = 8;  ///< what the length modifier leaves of a number
  NumberFormat format;
  char extension[12] = {};
  TextRange literal;
  CodeRange value;
  CodeRange width;
  CodeRange precision;
  ByteSource source;
  TextId text = 0;
};

/// Cuts `value` to `bytes` and extends it to 64 bits again.
inline std::uint64_t narrow(std::uint64_t value, unsigned bytes, bool is_unsigned) {
  const unsigned shift = 64 - 8 * bytes;
  if (is_unsigned) return value << shift >> shift;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << shift) >> shift);
}

/// The integer at `from` that a load's instruction describes.
inline std::uint64_t load_word(const std::byte* from, const Instruction& step) {
  return step.is_unsigned ? load_unsigned(from, step.bytes)
                          : static_cast<std::uint64_t>(load_signed(from, step.bytes));
}

/// Runs `count` instructions and gives the word that they leave. `record` holds every static field of the
/// code.
std::uint64_t evaluate(const Instruction* code, std::size_t count, RecordBytes record);

/// The bytes that `source` names, clipped to the record.
RecordBytes source_bytes(const ByteSource& source, RecordBytes record);

}  // namespace ivtrace::decode
