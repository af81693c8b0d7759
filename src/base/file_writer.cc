#include "base/file_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/check.h"

namespace ivtrace {

Result<FileWriter> FileWriter::create(const std::string& path) {
  IVT_ASSIGN_OR_RETURN(UniqueFd file, open_file(path, O_WRONLY | O_CREAT | O_TRUNC));
  return FileWriter(std::move(file), path);
}

void FileWriter::flush() {
  if (status_) status_ = write_all(file_.get(), std::as_bytes(std::span(buffer_)), path_);
  written_ += buffer_.size();
  buffer_.clear();
}

void FileWriter::patch(std::uint64_t offset, std::span<const std::byte> bytes) {
  IVT_CHECK(offset + bytes.size() <= this->offset());
  if (offset < written_) flush();
  if (offset < written_) {
    if (status_) status_ = pwrite_all(file_.get(), bytes, offset, path_);
  } else {
    std::ranges::copy(bytes, reinterpret_cast<std::byte*>(buffer_.data()) + (offset - written_));
  }
}

Status FileWriter::close() {
  flush();
  if (status_ && ::fsync(file_.get()) != 0) status_ = errno_error(errno, "cannot write " + path_);
  file_.reset();
  return status_;
}

}  // namespace ivtrace
