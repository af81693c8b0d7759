#include "attach/agent_program.h"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <optional>

#include "base/fd.h"

namespace ivtrace::attach {
namespace {

constexpr const char* kName = "ivtrace-agent";
// From this program's own directory: beside it, and where `make install` and the host's package put it.
constexpr const char* kPlaces[] = {"", "/../sbin", "/../lib/ivtrace"};
constexpr std::size_t kMaxProgram = 256u << 20;

std::string own_directory() {
  char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0) return {};
  const std::string program(path, static_cast<std::size_t>(length));
  return program.substr(0, program.rfind('/'));
}

/// One past the last byte that a segment takes from the file; nothing when this is no such program.
std::optional<std::size_t> end_of_segments(const std::string& file) {
  Elf64_Ehdr head;
  if (file.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, file.data(), sizeof head);
  const bool fits = std::memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 && head.e_ident[EI_CLASS] == ELFCLASS64 &&
                    head.e_machine == EM_X86_64 && head.e_phentsize == sizeof(Elf64_Phdr);
  if (!fits || head.e_phoff > file.size() || head.e_phnum > (file.size() - head.e_phoff) / sizeof(Elf64_Phdr))
    return std::nullopt;
  std::size_t end = head.e_phoff + head.e_phnum * sizeof(Elf64_Phdr);
  for (std::size_t i = 0; i < head.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, file.data() + head.e_phoff + i * sizeof segment, sizeof segment);
    if (segment.p_type == PT_INTERP) return std::nullopt;  // needs a loader and libraries
    if (segment.p_offset > file.size() || segment.p_filesz > file.size() - segment.p_offset)
      return std::nullopt;
    end = std::max<std::size_t>(end, segment.p_offset + segment.p_filesz);
  }
  return end;
}

}  // namespace

Result<std::string> find_agent_program(const std::string& wanted) {
  if (!wanted.empty()) {
    if (::access(wanted.c_str(), R_OK) != 0) return errno_error(errno, "cannot read the agent " + wanted);
    return wanted;
  }
  const std::string own = own_directory();
  for (const char* place : kPlaces) {
    const std::string path = own + place + "/" + kName;
    if (::access(path.c_str(), R_OK) == 0) return path;
  }
  return Error(ErrorCode::kNotFound, "there is no ivtrace-agent beside this program or where it is installed",
               "name it with --agent PATH");
}

Result<std::vector<std::byte>> load_agent_program(const std::string& path) {
  IVT_ASSIGN_OR_RETURN(std::string file, read_file(path, kMaxProgram));
  const std::optional<std::size_t> end = end_of_segments(file);
  if (!end) {
    return Error(ErrorCode::kInvalid, path + " is no static x86-64 program",
                 "ivtrace-agent is built static: give that one with --agent PATH");
  }
  Elf64_Ehdr head;
  std::memcpy(&head, file.data(), sizeof head);
  head.e_shoff = 0;  // the table of sections is cut off
  head.e_shnum = 0;
  head.e_shstrndx = SHN_UNDEF;
  std::memcpy(file.data(), &head, sizeof head);
  const auto* const bytes = reinterpret_cast<const std::byte*>(file.data());
  return std::vector<std::byte>(bytes, bytes + *end);
}

}  // namespace ivtrace::attach
