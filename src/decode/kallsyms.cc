#include "decode/kallsyms.h"

#include <algorithm>
#include <charconv>

#include "decode/print_lexer.h"

namespace ivtrace::decode {
namespace {

/// Takes a hexadecimal number off the front of `text`.
bool take_address(std::string_view& text, std::uint64_t& address) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), address, 16);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

/// Calls `use` with each line, and counts the lines that it refuses.
template <class Use>
std::size_t for_each_line(std::string_view text, Use use) {
  std::size_t refused = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0 && !use(text.substr(0, end))) ++refused;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return refused;
}

}  // namespace

Status Symbols::add_kallsyms(std::string_view text) {
  if (text.size() > kMaxKallsymsText)
    return Error(ErrorCode::kCorrupt, "kallsyms is larger than any real one");
  bad_lines_ += for_each_line(text, [this](std::string_view line) { return add_symbol(line); });
  std::ranges::stable_sort(symbols_, {}, &Symbol::address);
  return {};
}

bool Symbols::add_symbol(std::string_view line) {
  std::uint64_t address = 0;
  if (!take_address(line, address)) return false;
  if (line.size() < 4 || line[0] != ' ' || line[2] != ' ') return false;
  line.remove_prefix(3);
  const std::string_view name = line.substr(0, std::min(line.find_first_of("\t "), line.size()));
  if (name.empty() || name.size() > kMaxSymbolName || symbols_.size() >= kMaxSymbols) return false;
  if (address == 0) return true;
  symbols_.push_back(
      {address, static_cast<std::uint32_t>(names_.size()), static_cast<std::uint32_t>(name.size())});
  names_ += name;
  return true;
}

Status Symbols::add_printk_formats(std::string_view text) {
  if (text.size() > kMaxKallsymsText)
    return Error(ErrorCode::kCorrupt, "printk_formats is larger than any real one");
  bad_lines_ += for_each_line(text, [this](std::string_view line) { return add_text(line); });
  std::ranges::stable_sort(texts_, {}, &Text::address);
  return {};
}

bool Symbols::add_text(std::string_view line) {
  if (!line.starts_with("0x") || texts_.size() >= kMaxPrintkFormats) return false;
  line.remove_prefix(2);
  std::uint64_t address = 0;
  if (!take_address(line, address)) return false;
  const std::size_t quote = line.find('"');
  if (quote == std::string_view::npos || line.substr(0, quote) != " : ") return false;
  PrintLexer lexer(line.substr(quote));
  Token token;
  if (!lexer.next(token) || token.kind != TokenKind::kString) return false;
  texts_.push_back({address, std::move(token.text)});
  return true;
}

std::string_view Symbols::lookup(std::uint64_t address, std::uint64_t* offset) const {
  const auto above = std::ranges::upper_bound(symbols_, address, {}, &Symbol::address);
  if (above == symbols_.begin()) return {};
  const Symbol& found = *std::ranges::lower_bound(symbols_, (above - 1)->address, {}, &Symbol::address);
  if (address - found.address > kMaxSymbolOffset) return {};
  *offset = address - found.address;
  return std::string_view(names_).substr(found.name, found.size);
}

const std::string* Symbols::text_at(std::uint64_t address) const {
  const auto found = std::ranges::lower_bound(texts_, address, {}, &Text::address);
  return found != texts_.end() && found->address == address ? &found->text : nullptr;
}

}  // namespace ivtrace::decode
