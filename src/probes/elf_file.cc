#include "probes/elf_file.h"

#include <gelf.h>
#include <libelf.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace ivtrace::probes {
namespace {

constexpr std::size_t kMaxSymbols = 4u << 20;  // a browser with all its symbols has a million
constexpr std::size_t kMaxNotes = 4u << 20;    // bytes
constexpr std::uint32_t kBuildIdType = 3;      // NT_GNU_BUILD_ID

Error elf_error(const std::string& path) {
  const char* said = ::elf_errmsg(-1);
  return Error(ErrorCode::kCorrupt, path + ": " + (said != nullptr ? said : "not understood"));
}

/// A section with its header; nothing when it is not there.
struct Section {
  Elf_Scn* section = nullptr;
  GElf_Shdr header{};
};

Section find_section(Elf* elf, std::string_view name) {
  std::size_t names = 0;
  if (::elf_getshdrstrndx(elf, &names) != 0) return {};
  for (Elf_Scn* scn = ::elf_nextscn(elf, nullptr); scn != nullptr; scn = ::elf_nextscn(elf, scn)) {
    Section found{scn, {}};
    if (::gelf_getshdr(scn, &found.header) == nullptr) continue;
    const char* known = ::elf_strptr(elf, names, found.header.sh_name);
    if (known != nullptr && name == known) return found;
  }
  return {};
}

std::string_view content(const Section& section) {
  if (section.section == nullptr || section.header.sh_size > kMaxNotes) return {};
  const Elf_Data* data = ::elf_rawdata(section.section, nullptr);
  if (data == nullptr || data->d_buf == nullptr) return {};
  return {static_cast<const char*>(data->d_buf), data->d_size};
}

}  // namespace

void ElfFile::Closer::operator()(Elf* elf) const { ::elf_end(elf); }

Result<ElfFile> ElfFile::open(const std::string& path) {
  if (::elf_version(EV_CURRENT) == EV_NONE) return Error(ErrorCode::kUnsupported, "libelf is of another age");
  ElfFile file;
  file.path_ = path;
  IVT_ASSIGN_OR_RETURN(file.fd_, open_file(path, O_RDONLY));
  file.elf_.reset(::elf_begin(file.fd_.get(), ELF_C_READ, nullptr));
  GElf_Ehdr header{};
  if (!file.elf_ || ::elf_kind(file.elf_.get()) != ELF_K_ELF ||
      ::gelf_getehdr(file.elf_.get(), &header) == nullptr) {
    return Error(ErrorCode::kUnsupported, path + " is no program (no ELF file)",
                 "a script is run by its interpreter: probe that one");
  }
  if (header.e_machine != EM_X86_64 || header.e_ident[EI_CLASS] != ELFCLASS64)
    return Error(ErrorCode::kUnsupported, path + " is no x86-64 program");
  IVT_RETURN_IF_ERROR(file.read_segments());
  file.read_symbols();
  return file;
}

Status ElfFile::read_segments() {
  std::size_t count = 0;
  if (::elf_getphdrnum(elf_.get(), &count) != 0) return elf_error(path_);
  for (std::size_t i = 0; i < count; ++i) {
    GElf_Phdr header{};
    if (::gelf_getphdr(elf_.get(), static_cast<int>(i), &header) == nullptr) return elf_error(path_);
    if (header.p_type == PT_LOAD) segments_.push_back({header.p_vaddr, header.p_filesz, header.p_offset});
  }
  return {};
}

void ElfFile::read_symbols() {
  for (Elf_Scn* scn = ::elf_nextscn(elf_.get(), nullptr); scn != nullptr;
       scn = ::elf_nextscn(elf_.get(), scn)) {
    GElf_Shdr header{};
    if (::gelf_getshdr(scn, &header) == nullptr) continue;
    if ((header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM) || header.sh_entsize == 0) continue;
    Elf_Data* data = ::elf_getdata(scn, nullptr);
    if (data == nullptr) continue;
    const std::size_t count = std::min<std::size_t>(data->d_size / header.sh_entsize, kMaxSymbols);
    for (std::size_t i = 0; i < count && symbols_.size() < kMaxSymbols; ++i) {
      GElf_Sym symbol{};
      if (::gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr) break;
      const auto type = GELF_ST_TYPE(symbol.st_info);
      const bool is_function = type == STT_FUNC || type == STT_GNU_IFUNC;
      if (symbol.st_shndx == SHN_UNDEF || (!is_function && type != STT_OBJECT)) continue;
      const char* name = ::elf_strptr(elf_.get(), header.sh_link, symbol.st_name);
      if (name == nullptr || *name == '\0') continue;
      symbols_.push_back({name, symbol.st_value, is_function});
    }
  }
}

std::optional<std::uint64_t> ElfFile::symbol_address(std::string_view name) const {
  for (const Symbol& symbol : symbols_) {
    if (symbol.name == name) return symbol.address;
  }
  return std::nullopt;
}

Result<std::uint64_t> ElfFile::function(const std::string& name) const {
  std::vector<std::string> functions;
  for (const Symbol& symbol : symbols_) {
    if (!symbol.is_function) continue;
    if (symbol.name == name) return symbol.address;
    functions.push_back(symbol.name);
  }
  if (functions.empty()) {
    return Error(ErrorCode::kNotFound, path_ + " tells no functions: it is stripped",
                 "an offset in the file serves too: uprobe:" + path_ + ":0xOFFSET");
  }
  std::sort(functions.begin(), functions.end());
  functions.erase(std::unique(functions.begin(), functions.end()), functions.end());
  std::string near;
  for (const std::string& one : nearest_names(name, functions))
    near += (near.empty() ? "; nearest: " : ", ") + one;
  return Error(ErrorCode::kNotFound, "no function " + name + " in " + path_ + near);
}

std::optional<std::uint64_t> ElfFile::file_offset(std::uint64_t address) const {
  for (const Segment& segment : segments_) {
    if (address >= segment.address && address - segment.address < segment.bytes)
      return address - segment.address + segment.offset;
  }
  return std::nullopt;
}

Result<std::vector<UsdtSite>> ElfFile::usdt_sites() const {
  const Section notes = find_section(elf_.get(), ".note.stapsdt");
  if (notes.section == nullptr) return std::vector<UsdtSite>{};
  IVT_ASSIGN_OR_RETURN(std::vector<UsdtSite> sites, parse_usdt_notes(content(notes)));
  // Prelink moves a library after its notes were written; the marker section moves with it.
  const Section base = find_section(elf_.get(), ".stapsdt.base");
  if (base.section == nullptr) return sites;
  for (UsdtSite& site : sites) {
    const std::uint64_t moved = base.header.sh_addr - site.base;
    site.address += moved;
    if (site.semaphore != 0) site.semaphore += moved;
  }
  return sites;
}

std::string ElfFile::build_id() const {
  const std::string_view note = content(find_section(elf_.get(), ".note.gnu.build-id"));
  std::string id;
  constexpr std::size_t kBefore = 16;  // three words and "GNU\0"
  if (note.size() <= kBefore || static_cast<unsigned char>(note[8]) != kBuildIdType) return id;
  for (const char c : note.substr(kBefore)) {
    constexpr char kHex[] = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    id += kHex[byte >> 4];
    id += kHex[byte & 15];
  }
  return id;
}

}  // namespace ivtrace::probes
