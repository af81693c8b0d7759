// A program's file as a probe needs it: its functions, where they are in the file, and its USDT probes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "probes/usdt.h"

struct Elf;

namespace ivtrace::probes {

/// An x86-64 program or library. Owns an open file, which is read, never mapped, so that nobody who changes
/// it meanwhile can end us. One thread at a time.
class ElfFile {
 public:
  struct Symbol {
    std::string name;
    std::uint64_t address = 0;
    bool is_function = false;
  };

  /// kNotFound, kUnsupported (no x86-64 ELF file) or kCorrupt.
  static Result<ElfFile> open(const std::string& path);

  /// Of .symtab and .dynsym, in the file's order: a stripped program still has the second.
  const std::vector<Symbol>& symbols() const { return symbols_; }
  /// A function's address. kNotFound with the nearest names.
  Result<std::uint64_t> function(const std::string& name) const;
  std::optional<std::uint64_t> symbol_address(std::string_view name) const;
  /// The byte of the file that is loaded at this address.
  std::optional<std::uint64_t> file_offset(std::uint64_t address) const;
  /// USDT probes with addresses as of this file's own headers; empty when it has none.
  Result<std::vector<UsdtSite>> usdt_sites() const;

  const std::string& path() const { return path_; }
  /// In hex, "" when it has none.
  std::string build_id() const;
  /// For libdw, which reads the same file.
  Elf* handle() const { return elf_.get(); }

 private:
  struct Closer {
    void operator()(Elf* elf) const;
  };
  struct Segment {
    std::uint64_t address, bytes, offset;
  };

  ElfFile() = default;
  Status read_segments();
  void read_symbols();

  std::string path_;
  UniqueFd fd_;  // after elf_'s end
  std::unique_ptr<Elf, Closer> elf_;
  std::vector<Segment> segments_;
  std::vector<Symbol> symbols_;
};

}  // namespace ivtrace::probes
