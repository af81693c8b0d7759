#include "run/run_writer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/check.h"

namespace ivtrace::run {
namespace {

// Enough for the closing records of some thousand CPUs, and renewed when half of it is used.
constexpr std::uint64_t kJournalReserve = 2u << 20;

/// The end of the last whole line.
Result<std::uint64_t> whole_lines(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return errno_error(errno, "cannot stat " + path);
  auto end = static_cast<std::uint64_t>(info.st_size);
  char block[4096];
  while (end > 0) {
    const std::uint64_t begin = end > sizeof block ? end - sizeof block : 0;
    const ssize_t got = ::pread(fd, block, end - begin, static_cast<off_t>(begin));
    if (got <= 0) return errno_error(got < 0 ? errno : EIO, "cannot read " + path);
    const std::string_view text(block, static_cast<std::size_t>(got));
    const std::size_t newline = text.rfind('\n');
    if (newline != std::string_view::npos) return begin + newline + 1;
    end = begin;
  }
  return std::uint64_t{0};
}

Error exists_already(const std::string& path) {
  return Error(ErrorCode::kBusy, path + " exists already", "choose another name, or remove it first");
}

/// A directory that this process made.
Status remove_own_directory(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  return error ? Status(errno_error(error.value(), "cannot remove " + path)) : Status();
}

}  // namespace

Status RunWriter::check_new(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 ? Status(exists_already(path)) : Status();
}

Result<std::unique_ptr<RunWriter>> RunWriter::create(const std::string& path, const Manifest& manifest) {
  if (::mkdir(path.c_str(), 0755) != 0)
    return errno == EEXIST ? exists_already(path) : errno_error(errno, "cannot create " + path);
  const auto fill = [&]() -> Result<UniqueFd> {
    IVT_RETURN_IF_ERROR(replace_file(path + "/" + format::kManifestName, encode_manifest(manifest)));
    return open_file(path + "/" + format::kJournalName, O_RDWR | O_CREAT | O_EXCL);
  };
  Result<UniqueFd> journal = fill();
  if (!journal) {
    static_cast<void>(remove_own_directory(path));
    return journal.error();
  }
  std::unique_ptr<RunWriter> writer(new RunWriter(path, *std::move(journal), 0));
  writer->created_ = true;
  writer->reserve();
  return writer;
}

Status RunWriter::discard(std::unique_ptr<RunWriter> created) {
  IVT_CHECK(created->created_);
  const std::string path = created->path_;
  created.reset();
  return remove_own_directory(path);
}

Result<std::unique_ptr<RunWriter>> RunWriter::reopen(const std::string& path) {
  const std::string name = path + "/" + format::kJournalName;
  IVT_ASSIGN_OR_RETURN(UniqueFd journal, open_file(name, O_RDWR | O_NOFOLLOW | O_NONBLOCK));
  IVT_ASSIGN_OR_RETURN(const std::uint64_t size, whole_lines(journal.get(), name));
  if (::ftruncate(journal.get(), static_cast<off_t>(size)) != 0)
    return errno_error(errno, "cannot cut " + name);
  std::unique_ptr<RunWriter> writer(new RunWriter(path, std::move(journal), size));
  writer->reserve();
  return writer;
}

RunWriter::~RunWriter() {
  // Gives the unused reserve back to the file system.
  if (::ftruncate(journal_.get(), static_cast<off_t>(size_)) != 0) return;
}

void RunWriter::reserve() {
  if (reserved_ > size_ && reserved_ - size_ >= kJournalReserve / 2) return;
  // A file system that cannot reserve (or is full) leaves the journal without: then append() itself tells.
  if (::fallocate(journal_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(size_), kJournalReserve) == 0) {
    reserved_ = size_ + kJournalReserve;
  }
}

Status RunWriter::append(const Record& record) {
  const std::string line = encode_record(record) + "\n";
  const std::lock_guard lock(mutex_);
  if (Status written =
          pwrite_all(journal_.get(), std::as_bytes(std::span(line)), size_, path_ + "/journal.jsonl");
      !written) {
    // A part of the line must not stand before the next one.
    [[maybe_unused]] const int cut = ::ftruncate(journal_.get(), static_cast<off_t>(size_));
    return written;
  }
  size_ += line.size();
  reserve();
  return {};
}

Result<UniqueFd> RunWriter::open_pages(const std::string& machine, const std::string& buffer,
                                       std::uint32_t cpu) {
  IVT_CHECK(buffer.empty() || format::valid_machine_name(buffer));
  IVT_RETURN_IF_ERROR(ensure_folder(machine));
  const std::string name = path_ + "/" + machine + "/" + format::pages_file_name(buffer, cpu);
  return open_file(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK);
}

Status RunWriter::write_text(const std::string& machine, const std::string& name, std::string_view content) {
  IVT_RETURN_IF_ERROR(ensure_folder(machine));
  const std::string path = path_ + "/" + machine + "/" + name;
  Status written = replace_file(path, content);
  // On a full disk the unfinished copy would take the space that the events and the journal's end need.
  if (!written) ::unlink((path + ".new").c_str());
  return written;
}

Status RunWriter::ensure_folder(const std::string& machine) {
  IVT_CHECK(format::valid_machine_name(machine));
  const std::string folder = path_ + "/" + machine;
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST)
    return errno_error(errno, "cannot create " + folder);
  return {};
}

std::uint64_t RunWriter::journal_bytes() const {
  const std::lock_guard lock(mutex_);
  return size_;
}

}  // namespace ivtrace::run
