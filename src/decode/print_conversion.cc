#include "decode/print_conversion.h"

#include <algorithm>
#include <array>

namespace ivtrace::decode {
namespace {

Error corrupt(const char* what) { return Error(ErrorCode::kCorrupt, std::string("print fmt: ") + what); }

/// Extensions of %p that are known, longest first where one begins another.
constexpr std::array<std::string_view, 23> kExtensions = {
    "I6c", "I4h", "I4n", "I4l", "I4b", "i4h", "i4n", "i4l", "i4b", "I4", "i4", "I6",
    "i6",  "Ub",  "UB",  "Ul",  "UL",  "MF",  "MR",  "mR",  "SR",  "sR", "Sb"};
constexpr std::string_view kLetters = "SsFfxUMm";
constexpr std::string_view kSocketOptions = "pfschnlb";

std::string_view extension_at(std::string_view rest) {
  if (rest.starts_with("IS") || rest.starts_with("iS")) {
    return rest.substr(0, rest.find_first_not_of(kSocketOptions, 2));
  }
  for (const std::string_view extension : kExtensions) {
    if (rest.starts_with(extension)) return extension;
  }
  if (!rest.empty() && kLetters.find(rest[0]) != std::string_view::npos) return rest.substr(0, 1);
  // Unknown letters stay with the pointer, as in the kernel, for the compiler to refuse.
  const auto is_letter = [](char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
  };
  const auto end = std::ranges::find_if_not(rest, is_letter);
  return rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
}

class ConversionParser {
 public:
  ConversionParser(std::string_view format, std::size_t position) : format_(format), position_(position) {}

  Result<Conversion> parse();
  std::size_t position() const { return position_; }

 private:
  char peek() const { return position_ < format_.size() ? format_[position_] : '\0'; }
  void flags();
  Result<std::uint32_t> number();
  void length();
  Status letter();

  std::string_view format_;
  std::size_t position_;
  Conversion out_;
};

void ConversionParser::flags() {
  for (;; ++position_) {
    switch (peek()) {
      case '-':
        out_.format.left = true;
        break;
      case '0':
        out_.format.zero = true;
        break;
      case '+':
        out_.format.plus = true;
        break;
      case ' ':
        out_.format.blank = true;
        break;
      case '#':
        out_.format.alternate = true;
        break;
      default:
        return;
    }
  }
}

Result<std::uint32_t> ConversionParser::number() {
  std::uint32_t value = 0;
  for (; peek() >= '0' && peek() <= '9'; ++position_) {
    value = value * 10 + static_cast<std::uint32_t>(peek() - '0');
    if (value > kMaxPrintWidth) return corrupt("a conversion too wide");
  }
  return value;
}

void ConversionParser::length() {
  switch (peek()) {
    case 'h':
      ++position_;
      out_.bytes = peek() == 'h' ? 1 : 2;
      if (peek() == 'h') ++position_;
      break;
    case 'l':
      ++position_;
      out_.bytes = 8;
      if (peek() == 'l') ++position_;
      break;
    case 'L':
    case 'z':
    case 'Z':
    case 't':
    case 'j':
    case 'q':
      ++position_;
      out_.bytes = 8;
      break;
    default:
      break;
  }
}

Status ConversionParser::letter() {
  const char conversion = peek();
  ++position_;
  out_.format.conversion = conversion == 'i' ? 'd' : conversion;
  switch (conversion) {
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
    case 'c':
    case 's':
    case '%':
      return {};
    case 'p':
      out_.extension = extension_at(format_.substr(position_));
      position_ += out_.extension.size();
      return {};
    default:
      return corrupt("a conversion that the kernel does not have");
  }
}

Result<Conversion> ConversionParser::parse() {
  flags();
  if (peek() == '*') {
    ++position_;
    out_.width_argument = true;
  } else {
    IVT_ASSIGN_OR_RETURN(const std::uint32_t width, number());
    out_.format.width = static_cast<std::uint16_t>(width);
  }
  if (peek() == '.') {
    ++position_;
    if (peek() == '*') {
      ++position_;
      out_.precision_argument = true;
    } else {
      IVT_ASSIGN_OR_RETURN(const std::uint32_t precision, number());
      out_.format.precision = static_cast<std::int16_t>(precision);
    }
  }
  length();
  IVT_RETURN_IF_ERROR(letter());
  return out_;
}

}  // namespace

Result<Conversion> parse_conversion(std::string_view format, std::size_t& position) {
  ConversionParser parser(format, position);
  auto conversion = parser.parse();
  position = parser.position();
  return conversion;
}

}  // namespace ivtrace::decode
