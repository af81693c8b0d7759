// What stap says, and what it is told about a kernel's symbols.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>

#include "base/text.h"
#include "tracers/stap_compile.h"

namespace ivtrace::tracers {
namespace {

constexpr std::size_t kMaxError = 400;

struct Symbol {
  std::uint64_t address = 0;
  char type = 0;
  std::string_view name;
  std::string_view module;  ///< empty: the kernel's own
};

/// What a System.map has of a module: its functions. Not of what comes and goes: eBPF programs, trampolines,
/// and SystemTap's modules.
bool is_modules_function(const Symbol& symbol) {
  constexpr std::string_view kPassing[] = {"bpf]", "__builtin", kStapModulePrefix, "stap_"};
  const auto begins = [&](std::string_view name) { return symbol.module.starts_with(name); };
  return (symbol.type == 't' || symbol.type == 'T') &&
         std::none_of(std::begin(kPassing), std::end(kPassing), begins);
}

/// They are a guest's: what stap gets to read has no surprise in it.
bool valid_symbol(char type, std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return letter(type) && !name.empty() && name.size() <= 512 &&
         std::all_of(name.begin(), name.end(), [&](char c) {
           return letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '$';
         });
}

/// "ffffffff81000000 T _stext"; a module's symbol has "\t[module]" behind it.
std::optional<Symbol> symbol_of(std::string_view line) {
  const std::size_t blank = line.find(' ');
  if (blank == line.npos || blank + 3 >= line.size() || line[blank + 2] != ' ') return std::nullopt;
  Symbol symbol{0, line[blank + 1], line.substr(blank + 3), {}};
  if (const std::size_t tab = symbol.name.find("\t["); tab != symbol.name.npos) {
    symbol.module = symbol.name.substr(tab + 2);
    symbol.name = symbol.name.substr(0, tab);
  }
  const auto [end, error] = std::from_chars(line.data(), line.data() + blank, symbol.address, 16);
  if (error != std::errc() || end != line.data() + blank || !valid_symbol(symbol.type, symbol.name))
    return std::nullopt;
  return symbol;
}

void append_symbol(std::string& map, std::uint64_t address, const Symbol& symbol) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, address, 16).ptr;
  map.append(sizeof digits - static_cast<std::size_t>(end - digits), '0').append(digits, end);
  map.append(1, ' ').append(1, symbol.type).append(1, ' ').append(symbol.name).append(1, '\n');
}

bool is_error(std::string_view line) {
  return line.starts_with("parse error:") || line.starts_with("semantic error:");
}

}  // namespace

std::string first_stap_error(std::string_view errors) {
  const std::vector<std::string_view> lines = split(errors, '\n');
  std::string text;
  for (std::size_t i = 0; i < lines.size() && text.empty(); ++i) {
    if (!is_error(lines[i])) continue;
    text = lines[i];
    // The place is in the line itself, in the one below it ("saw: … at x.stp:1:7"), or in that of a later
    // error, which says where the first one came up.
    bool reason_missing = text.find("while resolving") != text.npos;
    for (std::size_t j = i + 1; j < lines.size(); ++j) {
      const bool place = text.find(" at ") == text.npos && lines[j].find(" at ") != lines[j].npos;
      const bool reason = reason_missing && is_error(lines[j]);
      if (place || reason) text += "; " + std::string(trim(lines[j]));
      if (reason) reason_missing = false;
    }
  }
  for (std::size_t i = 0; i < lines.size() && text.empty(); ++i) {
    // The compiler's: "/tmp/…/x_src.c:12:3: error: …".
    if (const std::size_t at = lines[i].find(": error: "); at != lines[i].npos)
      text = lines[i].substr(at + 2);
  }
  for (std::size_t i = 0; i < lines.size() && text.empty(); ++i) {
    if (!lines[i].starts_with("WARNING:")) text = trim(lines[i]);
  }
  if (text.size() > kMaxError) text.resize(kMaxError);
  return text;
}

std::string system_map_of(std::string_view kallsyms) {
  constexpr std::uint64_t kLinkedAt = 0xffffffff81000000;   // where _text is without KASLR
  constexpr std::uint64_t kModulesAt = 0xffffffffa0000000;  // made up: what counts of them is the name
  std::vector<Symbol> symbols;
  std::vector<Symbol> of_modules;
  std::uint64_t text_at = 0;
  for (const std::string_view line : split(kallsyms, '\n')) {
    const auto symbol = symbol_of(line);
    if (!symbol) continue;
    if (!symbol->module.empty()) {
      if (is_modules_function(*symbol)) of_modules.push_back(*symbol);
      continue;
    }
    if (symbol->name == "_text") text_at = symbol->address;
    symbols.push_back(*symbol);
  }
  if (text_at == 0) return "";
  std::string map;
  for (const Symbol& symbol : symbols) {
    // Per-CPU variables are offsets.
    if (symbol.address >= text_at) append_symbol(map, symbol.address - text_at + kLinkedAt, symbol);
  }
  // In an order that does not depend on the order in which the modules were loaded.
  const auto key = [](const Symbol& symbol) { return std::pair(symbol.name, symbol.type); };
  std::sort(of_modules.begin(), of_modules.end(),
            [&](const Symbol& a, const Symbol& b) { return key(a) < key(b); });
  const auto end = std::unique(of_modules.begin(), of_modules.end(),
                               [](const Symbol& a, const Symbol& b) { return a.name == b.name; });
  std::uint64_t next_of_module = kModulesAt;
  for (auto symbol = of_modules.begin(); symbol != end; ++symbol)
    append_symbol(map, next_of_module++, *symbol);
  return map;
}

}  // namespace ivtrace::tracers
