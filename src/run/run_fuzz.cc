// Any bytes as the journal of a run whose directories hold some files: opening it ends, and every segment
// lies within its file without overlapping its neighbour.
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/fd.h"
#include "run/run_reader.h"

namespace {

/// A run directory that lives as long as the fuzzer.
const std::string& scratch_run() {
  static const std::string path = [] {
    std::string pattern = std::filesystem::temp_directory_path() / "ivtrace_fuzz_XXXXXX";
    IVT_CHECK(::mkdtemp(pattern.data()) != nullptr);
    const std::string pages(8192, 'p');
    for (const char* machine : {"host", "vm1"}) {
      std::filesystem::create_directory(pattern + "/" + machine);
      IVT_CHECK(ivtrace::replace_file(pattern + "/" + machine + "/cpu0.pages", pages).ok());
    }
    return pattern;
  }();
  static const struct Remover {
    ~Remover() { std::filesystem::remove_all(path); }
  } remover;
  return path;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ivtrace;
  const std::string& path = scratch_run();
  auto fd = open_file(path + "/" + format::kJournalName, O_WRONLY | O_CREAT | O_TRUNC);
  IVT_CHECK(fd.ok() &&
            write_all(fd->get(), {reinterpret_cast<const std::byte*>(data), size}, "journal").ok());
  auto opened = run::RunReader::open(path);
  IVT_CHECK(opened.ok());
  for (const run::Machine& machine : opened->machines()) {
    for (const run::PagesFile& file : machine.files) {
      std::uint64_t end = 0;
      for (const run::Segment& segment : file.segments) {
        IVT_CHECK(segment.begin >= end && segment.end >= segment.begin && segment.end <= file.size);
        end = segment.end;
      }
    }
  }
  return 0;
}
