// Words of a print fmt's C text: numbers, strings, names and operators.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ivtrace::decode {

/// What a token is. Operators carry their spelling in Token::spelling.
enum class TokenKind : std::uint8_t { kEnd, kNumber, kString, kName, kOperator };

/// One word. `spelling` borrows from the lexed text; `text` owns a string literal's unescaped content,
/// adjacent literals joined. A number has its value and the type that C gives it.
struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string_view spelling;
  std::string text;
  std::uint64_t number = 0;
  std::uint8_t number_bytes = 4;
  bool number_unsigned = false;

  bool is(std::string_view op) const { return kind == TokenKind::kOperator && spelling == op; }
  bool is_name(std::string_view name) const { return kind == TokenKind::kName && spelling == name; }
};

/// Cuts text into tokens, one ahead. The text is borrowed and must stay. Copying a lexer saves a place to go
/// back to. Not thread-safe. Any byte sequence is safe: what is no token is a kCorrupt error.
class PrintLexer {
 public:
  explicit PrintLexer(std::string_view text) : text_(text) {}

  /// Reads the next token into `token`; at the end of the text a kEnd one, again and again.
  Status next(Token& token);

 private:
  void skip_blanks();
  Status number(Token& token);
  Status character(Token& token);
  Status strings(Token& token);
  /// Appends one unescaped literal; `position_` stands behind the opening quote.
  Status quoted(char quote, std::string& out);
  Status escape(std::string& out);

  std::string_view text_;
  std::size_t position_ = 0;
};

}  // namespace ivtrace::decode
