// Names for a kernel's addresses: /proc/kallsyms and tracefs' printk_formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ivtrace::decode {

inline constexpr std::size_t kMaxKallsymsText = 256u << 20;
inline constexpr std::size_t kMaxSymbols = 4u << 20;
inline constexpr std::size_t kMaxSymbolName = 512;  // the kernel's KSYM_NAME_LEN
inline constexpr std::size_t kMaxPrintkFormats = 64u << 10;
/// Nothing that is further behind a symbol belongs to it; the last symbol has no next one to end it.
inline constexpr std::uint64_t kMaxSymbolOffset = 16u << 20;

/// The symbols of one machine's kernel. Empty by default: every look-up then fails, and addresses are shown
/// as numbers. Owns its texts. Filled first, then shared freely: look-ups change nothing. The texts may come
/// from a guest. Lines that are not understood are counted, not trusted.
class Symbols {
 public:
  /// Reads lines "address type name [module]". A kernel that hides its addresses shows zeroes, which are left
  /// out. kCorrupt when the text is larger than any real one.
  Status add_kallsyms(std::string_view text);
  /// Reads lines `0xaddress : "text"`: what addresses in bprint and in pointer fields point to.
  Status add_printk_formats(std::string_view text);

  /// The symbol that holds `address`, empty if none; *offset is the distance from its start.
  std::string_view lookup(std::uint64_t address, std::uint64_t* offset) const;
  /// The text at exactly `address` that the kernel exports, or nullptr.
  const std::string* text_at(std::uint64_t address) const;

  std::size_t size() const { return symbols_.size(); }
  /// Lines of both texts that were not understood.
  std::size_t bad_lines() const { return bad_lines_; }

 private:
  struct Symbol {
    std::uint64_t address;
    std::uint32_t name;  // in names_
    std::uint32_t size;
  };
  struct Text {
    std::uint64_t address;
    std::string text;
  };

  bool add_symbol(std::string_view line);
  bool add_text(std::string_view line);

  std::vector<Symbol> symbols_;  // by address
  std::string names_;
  std::vector<Text> texts_;  // by address
  std::size_t bad_lines_ = 0;
};

}  // namespace ivtrace::decode
