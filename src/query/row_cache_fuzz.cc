// Any bytes as what a cache has of a set, with the right sums around them: they are refused, or every table
// that reads them stays within its bounds.
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>

#include "base/fd.h"
#include "query/database.h"
#include "query/row_cache.h"
#include "run/run_writer.h"

namespace ivtrace::query {
namespace {

/// A run of a host and a guest with a disk, without events. It lives as long as the fuzzer.
class ScratchRun {
 public:
  ScratchRun() {
    std::string pattern = std::filesystem::temp_directory_path() / "ivtrace_fuzz_XXXXXX";
    IVT_CHECK(::mkdtemp(pattern.data()) != nullptr);
    directory_ = pattern;
    run::Manifest manifest;
    manifest.start_tsc = HostTsc(1);
    const auto writer = run::RunWriter::create(path(), manifest).value();
    for (const char* name : {"host", "vm1"}) {
      run::MachineRecord machine;
      machine.name = name;
      machine.kind = machine.name == "host" ? "host" : "guest";
      IVT_CHECK(writer->append(machine).ok());
    }
    IVT_CHECK(writer->append(run::DiskRecord{"vm1", "d0", "/d0", "raw", "", "", 0, HostTsc(), {}}).ok());
    IVT_CHECK(writer->append(run::AnchorRecord{{HostTsc(1), 10, {}, {}, {}, -1, -1}}).ok());
    IVT_CHECK(writer->append(run::EndRecord{HostTsc(2), "command"}).ok());
  }
  ~ScratchRun() { std::filesystem::remove_all(directory_); }
  std::string path() const { return directory_ + "/run.ivt"; }

 private:
  std::string directory_;
};

struct Set {
  const char* name;
  std::vector<std::size_t> row_bytes;
  std::vector<const char*> tables;
};
const Set kSets[] = {{"vcpu_slice", {sizeof(VcpuSliceRow)}, {"vcpu_slice"}},
                     {"qemu_slice", {sizeof(QemuSliceRow)}, {"qemu_slice"}},
                     {"sched_slice", {sizeof(SchedSliceRow)}, {"sched_slice"}},
                     {"irq_slice", {sizeof(IrqSliceRow)}, {"irq_slice"}},
                     {"mark",
                      {sizeof(MarkSliceRow), sizeof(MarkInstantRow), sizeof(MarkCounterRow)},
                      {"mark_slice", "mark_instant", "mark_counter"}},
                     {"block_request", {sizeof(BlockRequestRow)}, {"block_request"}},
                     {"qemu_call", {sizeof(QemuCallRow)}, {"qemu_call"}},
                     {"io_request",
                      {sizeof(IoRequestRow), sizeof(IoPhaseRow), sizeof(IoSlowRow), sizeof(IoSlowLoadRow)},
                      {"io_request", "io_phase", "io_slow", "io_slow_load"}},
                     {"loss", {sizeof(LossRow)}, {"loss"}}};

/// Bytes of the input, one after the other; zeroes behind its end.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : left_(reinterpret_cast<const char*>(data), size) {}
  std::string take(std::size_t bytes) {
    std::string taken(left_.substr(0, bytes));
    left_.remove_prefix(taken.size());
    taken.resize(bytes);
    return taken;
  }
  std::size_t byte() { return static_cast<unsigned char>(take(1)[0]); }

 private:
  std::string_view left_;
};

void keep(const RowCache& cache, const Set& set, Input& input) {
  constexpr std::size_t kMaxRows = 8;
  const std::string beside = input.take(input.byte());
  std::vector<RowFile> files;
  std::vector<std::vector<std::uint64_t>> used;
  std::vector<RowsToKeep> rows;
  for (const std::size_t bytes : set.row_bytes) {
    RowFile& file = files.emplace_back(RowFile::create(bytes).value());
    for (std::size_t left = input.byte() % kMaxRows; left > 0; --left) {
      std::vector<std::uint64_t> row(bytes / 8);
      std::memcpy(row.data(), input.take(bytes).data(), bytes);
      Span times;
      std::memcpy(&times, row.data(), sizeof times);
      std::memcpy(file.add(times), row.data(), bytes);
    }
    IVT_CHECK(file.seal().ok());
    used.emplace_back(bytes / 8, ~0ull);
  }
  for (std::size_t i = 0; i < files.size(); ++i) rows.push_back({&files[i], used[i]});
  cache.keep(set.name, beside, rows);
}

}  // namespace
}  // namespace ivtrace::query

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ivtrace;
  using namespace ivtrace::query;
  static const ScratchRun kRun;
  static const run::RunReader run = run::RunReader::open(kRun.path()).value();
  static const auto clock =
      clock::HostClock::create(run.anchors(), run.manifest().start_tsc, 1'000'000).value();
  static const RowCache cache(run, clock, nullptr);
  Input input(data, size);
  const Set& set = kSets[input.byte() % std::size(kSets)];
  keep(cache, set, input);
  const auto database = Database::open(run, clock).value();
  for (const char* table : set.tables) {
    Statement rows = database->prepare(std::string("SELECT * FROM ") + table).value();
    while (rows.step().value()) {
      for (std::size_t i = 0; i < rows.columns().size(); ++i) (void)rows.cell(i);
    }
  }
  return 0;
}
