#include "decode/print_lexer.h"

#include <array>
#include <charconv>
#include <limits>

namespace ivtrace::decode {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_octal(char c) { return c >= '0' && c <= '7'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_part(char c) { return is_name_start(c) || is_digit(c); }

constexpr std::array<std::string_view, 12> kLongOperators = {
    "->", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "++", "--", "..."};
constexpr std::string_view kShortOperators = "()[]{},;:?~!+-*/%<>=&|^.";

Error corrupt(const char* what) { return Error(ErrorCode::kCorrupt, std::string("print fmt: ") + what); }

/// The type of an integer literal: the first of its row that holds it (C17 6.4.4.1).
void set_number_type(Token& token, bool is_unsigned, bool is_long, bool is_decimal) {
  const bool fits_int = token.number <= std::numeric_limits<std::int32_t>::max();
  const bool fits_uint = token.number <= std::numeric_limits<std::uint32_t>::max();
  const bool fits_long = token.number <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const bool four = !is_long && (fits_int || (fits_uint && (is_unsigned || !is_decimal)));
  token.number_bytes = four ? 4 : 8;
  token.number_unsigned = is_unsigned || (four ? !fits_int : !fits_long);
}

}  // namespace

void PrintLexer::skip_blanks() {
  while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\t' ||
                                      text_[position_] == '\n' || text_[position_] == '\r')) {
    ++position_;
  }
}

Status PrintLexer::next(Token& token) {
  token = Token{};
  skip_blanks();
  if (position_ >= text_.size()) return {};
  const char c = text_[position_];
  if (is_digit(c)) return number(token);
  if (c == '"') return strings(token);
  if (c == '\'') return character(token);
  const std::size_t start = position_;
  if (is_name_start(c)) {
    while (position_ < text_.size() && is_name_part(text_[position_])) ++position_;
    token.kind = TokenKind::kName;
    token.spelling = text_.substr(start, position_ - start);
    return {};
  }
  token.kind = TokenKind::kOperator;
  for (const std::string_view op : kLongOperators) {
    if (text_.substr(start).starts_with(op)) {
      position_ += op.size();
      token.spelling = op;
      return {};
    }
  }
  if (kShortOperators.find(c) == std::string_view::npos) return corrupt("a character that C does not have");
  ++position_;
  token.spelling = text_.substr(start, 1);
  return {};
}

Status PrintLexer::number(Token& token) {
  token.kind = TokenKind::kNumber;
  int radix = 10;
  if (text_[position_] == '0' && position_ + 1 < text_.size()) {
    const char marker = static_cast<char>(text_[position_ + 1] | 0x20);
    if (marker == 'x' || marker == 'b') {
      radix = marker == 'x' ? 16 : 2;
      position_ += 2;
    } else {
      radix = 8;
    }
  }
  const char* begin = text_.data() + position_;
  const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), token.number, radix);
  if (error != std::errc{}) return corrupt("a number that does not fit 64 bits");
  position_ += static_cast<std::size_t>(end - begin);
  bool is_unsigned = false;
  bool is_long = false;
  for (; position_ < text_.size() && is_name_part(text_[position_]); ++position_) {
    const char suffix = static_cast<char>(text_[position_] | 0x20);
    if (suffix == 'u') {
      is_unsigned = true;
    } else if (suffix == 'l') {
      is_long = true;
    } else {
      return corrupt("a number with an unknown suffix");
    }
  }
  set_number_type(token, is_unsigned, is_long, radix == 10);
  return {};
}

Status PrintLexer::character(Token& token) {
  ++position_;
  std::string content;
  IVT_RETURN_IF_ERROR(quoted('\'', content));
  if (content.size() != 1) return corrupt("a character constant that is not one character");
  token.kind = TokenKind::kNumber;
  token.number = static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<signed char>(content[0])));
  return {};
}

Status PrintLexer::strings(Token& token) {
  token.kind = TokenKind::kString;
  while (position_ < text_.size() && text_[position_] == '"') {
    ++position_;
    IVT_RETURN_IF_ERROR(quoted('"', token.text));
    skip_blanks();
  }
  return {};
}

Status PrintLexer::quoted(char quote, std::string& out) {
  while (position_ < text_.size()) {
    const char c = text_[position_++];
    if (c == quote) return {};
    if (c == '\\') {
      IVT_RETURN_IF_ERROR(escape(out));
    } else {
      out += c;
    }
  }
  return corrupt("a string without an end");
}

Status PrintLexer::escape(std::string& out) {
  if (position_ >= text_.size()) return corrupt("a string without an end");
  const char c = text_[position_++];
  constexpr std::string_view kNames = "ntrabfv";
  constexpr std::string_view kValues = "\n\t\r\a\b\f\v";
  if (const std::size_t name = kNames.find(c); name != std::string_view::npos) {
    out += kValues[name];
    return {};
  }
  const bool hex = c == 'x' && position_ < text_.size() && is_hex(text_[position_]);
  if (!hex && !is_octal(c)) {
    out += c;
    return {};
  }
  if (!hex) --position_;
  const std::size_t longest = hex ? 2 : 3;
  std::size_t digits = 0;
  unsigned value = 0;
  while (digits < longest && position_ + digits < text_.size() &&
         (hex ? is_hex(text_[position_ + digits]) : is_octal(text_[position_ + digits]))) {
    ++digits;
  }
  std::from_chars(text_.data() + position_, text_.data() + position_ + digits, value, hex ? 16 : 8);
  position_ += digits;
  out += static_cast<char>(value);
  return {};
}

}  // namespace ivtrace::decode
