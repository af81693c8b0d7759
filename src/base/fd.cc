#include "base/fd.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

namespace ivtrace {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

int UniqueFd::release() { return std::exchange(fd_, -1); }

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<UniqueFd> open_at(int dir_fd, const std::string& path, int flags, mode_t mode) {
  const int fd = ::openat(dir_fd, path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return errno_error(errno, "cannot open " + path);
  return UniqueFd(fd);
}

Result<std::string> read_file_at(int dir_fd, const std::string& path, std::size_t max_bytes) {
  IVT_ASSIGN_OR_RETURN(UniqueFd fd, open_at(dir_fd, path, O_RDONLY));
  std::string content;
  std::size_t used = 0;
  for (;;) {
    if (content.size() - used < 4096) content.resize(std::max<std::size_t>(content.size() * 2, 16384));
    const ssize_t got = ::read(fd.get(), content.data() + used, content.size() - used);
    if (got < 0) {
      if (errno == EINTR) continue;
      return errno_error(errno, "cannot read " + path);
    }
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
    if (used > max_bytes) {
      return Error(ErrorCode::kExhausted, path + " is larger than " + std::to_string(max_bytes) + " bytes");
    }
  }
  content.resize(used);
  return content;
}

Status write_control_file_at(int dir_fd, const std::string& path, std::string_view text, int extra_flags) {
  IVT_ASSIGN_OR_RETURN(UniqueFd fd, open_at(dir_fd, path, O_WRONLY | extra_flags));
  ssize_t written;
  do {
    written = ::write(fd.get(), text.data(), text.size());
  } while (written < 0 && errno == EINTR);
  if (written < 0) return errno_error(errno, "cannot write \"" + std::string(text) + "\" to " + path);
  return {};
}

Status write_all(int fd, std::span<const std::byte> bytes, const std::string& what) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno_error(errno, "cannot write " + what);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Status pwrite_all(int fd, std::span<const std::byte> bytes, std::uint64_t offset, const std::string& what) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno_error(errno, "cannot write " + what);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return {};
}

Status replace_file(const std::string& path, std::string_view content) {
  const std::string fresh = path + ".new";
  {
    IVT_ASSIGN_OR_RETURN(UniqueFd fd, open_file(fresh, O_WRONLY | O_CREAT | O_TRUNC));
    IVT_RETURN_IF_ERROR(write_all(fd.get(), std::as_bytes(std::span(content)), fresh));
    if (::fsync(fd.get()) != 0) return errno_error(errno, "cannot sync " + fresh);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return errno_error(errno, "cannot rename " + fresh);
  return {};
}

Result<std::vector<std::string>> list_directory_at(int dir_fd, const std::string& path) {
  IVT_ASSIGN_OR_RETURN(UniqueFd fd, open_at(dir_fd, path, O_RDONLY | O_DIRECTORY));
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd.get()), &::closedir);
  if (!dir) return errno_error(errno, "cannot list " + path);
  fd.release();  // the DIR closes it
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
  return list_directory_at(AT_FDCWD, path);
}

}  // namespace ivtrace
