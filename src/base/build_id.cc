#include "base/build_id.h"

#include <elf.h>
#include <link.h>

#include <cstring>
#include <span>
#include <string_view>

namespace ivtrace {
namespace {

constexpr std::size_t kNoteAlign = 4;
std::size_t aligned(std::size_t bytes) { return (bytes + kNoteAlign - 1) / kNoteAlign * kNoteAlign; }

/// The build ID among the notes of a segment (elf(5), GNU's extensions), as raw bytes.
std::string_view id_in(std::string_view notes) {
  constexpr std::string_view kGnu("GNU", 4);
  while (notes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) head;
    std::memcpy(&head, notes.data(), sizeof head);
    notes.remove_prefix(sizeof head);
    const std::size_t bytes = aligned(head.n_namesz) + aligned(head.n_descsz);
    if (bytes > notes.size()) break;
    if (head.n_type == NT_GNU_BUILD_ID && notes.substr(0, head.n_namesz) == kGnu)
      return notes.substr(aligned(head.n_namesz), head.n_descsz);
    notes.remove_prefix(bytes);
  }
  return {};
}

/// The first object is the program itself: then no other is looked at.
int look(dl_phdr_info* info, std::size_t, void* into) {
  for (const ElfW(Phdr) & segment : std::span(info->dlpi_phdr, info->dlpi_phnum)) {
    if (segment.p_type != PT_NOTE) continue;
    const auto* const begin = reinterpret_cast<const char*>(info->dlpi_addr + segment.p_vaddr);
    for (const char byte : id_in({begin, segment.p_memsz})) {
      constexpr char kDigits[] = "0123456789abcdef";
      const auto value = static_cast<unsigned char>(byte);
      *static_cast<std::string*>(into) += {kDigits[value >> 4], kDigits[value & 15]};
    }
  }
  return 1;
}

}  // namespace

const std::string& build_id() {
  static const std::string kId = [] {
    std::string id;
    ::dl_iterate_phdr(look, &id);
    return id;
  }();
  return kId;
}

}  // namespace ivtrace
