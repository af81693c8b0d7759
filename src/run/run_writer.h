// Writing a run directory (format/run_layout.h): created once, appended to, complete at every moment.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "run/journal.h"

namespace ivtrace::run {

/// Owns the journal of one run directory and opens its other files.
///
/// Threads: append() and the open functions may be called from any thread; a record is written whole or not
/// at all. Disk: the journal holds blocks in reserve, so that a run that filled the disk with pages can still
/// write its end; append() fails with kExhausted only when the reserve is used up too. Names of machines and
/// buffers must be valid_machine_name(): they become paths.
class RunWriter {
 public:
  /// Creates `path` with its manifest. kBusy when `path` exists: a run is never overwritten.
  /// What fails leaves no directory.
  static Result<std::unique_ptr<RunWriter>> create(const std::string& path, const Manifest& manifest);
  /// kBusy when something is there already, as create() would find it.
  static Status check_new(const std::string& path);
  /// Removes the directory that create() made, for a recording that could not begin. The files that it opened
  /// are closed before.
  static Status discard(std::unique_ptr<RunWriter> created);
  /// Goes on with the run of a dead recorder; a torn last line of its journal is cut off.
  static Result<std::unique_ptr<RunWriter>> reopen(const std::string& path);
  ~RunWriter();
  RunWriter(const RunWriter&) = delete;
  RunWriter& operator=(const RunWriter&) = delete;

  Status append(const Record& record);
  /// Opens <machine>/[<buffer>.]cpuN.pages for reading and writing, creating folder and file as needed. The
  /// segment's record belongs into the journal before the first byte is written to the file.
  Result<UniqueFd> open_pages(const std::string& machine, const std::string& buffer, std::uint32_t cpu);
  /// Writes <machine>/<name> (kFormatsName, …) by rename.
  Status write_text(const std::string& machine, const std::string& name, std::string_view content);

  const std::string& path() const { return path_; }
  /// Bytes in the journal.
  std::uint64_t journal_bytes() const;

 private:
  RunWriter(std::string path, UniqueFd journal, std::uint64_t size)
      : path_(std::move(path)), journal_(std::move(journal)), size_(size) {}
  void reserve();
  Status ensure_folder(const std::string& machine);

  const std::string path_;
  bool created_ = false;      // the directory and all in it are of this object
  mutable std::mutex mutex_;  // guards the journal
  UniqueFd journal_;
  std::uint64_t size_ = 0;
  std::uint64_t reserved_ = 0;  // blocks are allocated up to this offset
};

}  // namespace ivtrace::run
