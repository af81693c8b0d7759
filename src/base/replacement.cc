#include "base/replacement.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/fd.h"

namespace ivtrace {
namespace {

namespace fs = std::filesystem;

Error in_the_way(const std::string& path) {
  return Error(ErrorCode::kBusy, path + " is there already", "--force replaces it");
}

/// A path without a slash at its end, so that a name can be put behind it.
std::string without_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::string fresh_name(const std::string& path) { return path + "." + std::to_string(::getpid()) + ".new"; }

/// Whether anything is there, be it a link to nowhere.
bool is_there(const std::string& path) {
  struct stat what;
  return ::lstat(path.c_str(), &what) == 0;
}

}  // namespace

Result<Replacement> Replacement::file(const std::string& given, bool force) {
  const std::string path = without_slash(given);
  if (is_there(path)) {
    if (!force) return in_the_way(path);
    std::error_code unknown;
    if (fs::is_directory(path, unknown))
      return Error(ErrorCode::kInvalid, path + " is a folder", "name a file");
  }
  std::string fresh = fresh_name(path);
  IVT_RETURN_IF_ERROR(open_file(fresh, O_WRONLY | O_CREAT | O_EXCL));
  return Replacement(path, std::move(fresh), force);
}

Result<Replacement> Replacement::folder(const std::string& given, bool force, const std::string& mark) {
  const std::string path = without_slash(given);
  std::error_code failed;
  if (is_there(path)) {
    if (!force) return in_the_way(path);
    const bool ours =
        fs::is_directory(path, failed) && (fs::is_empty(path, failed) || is_there(path + "/" + mark));
    if (!ours) {
      return Error(ErrorCode::kBusy, path + " is there already and was not written by this command",
                   "remove it, or name another place");
    }
  }
  std::string fresh = fresh_name(path);
  if (::mkdir(fresh.c_str(), 0755) != 0) return errno_error(errno, "cannot make " + fresh);
  return Replacement(path, std::move(fresh), force);
}

Replacement::Replacement(Replacement&& other) noexcept
    : path_(std::move(other.path_)), fresh_(std::exchange(other.fresh_, {})), force_(other.force_) {}

Replacement::~Replacement() {
  if (fresh_.empty()) return;
  std::error_code ignored;
  fs::remove_all(fresh_, ignored);
}

Status Replacement::put() {
  const auto rename = [&](unsigned how) {
    return ::renameat2(AT_FDCWD, fresh_.c_str(), AT_FDCWD, path_.c_str(), how) != 0 ? errno : 0;
  };
  int failed = rename(RENAME_NOREPLACE);
  // Some file systems have no such rename; then a look must do.
  if (failed == EINVAL) failed = is_there(path_) ? EEXIST : rename(0);
  const bool replaces = failed == EEXIST && force_;
  std::error_code unknown;
  if (replaces && fs::is_directory(path_, unknown)) {
    failed = rename(RENAME_EXCHANGE);
    if (failed == 0) return {};  // what was there is at fresh_ now, and goes with this
  } else if (replaces) {
    failed = rename(0);
  }
  if (failed == EEXIST) return in_the_way(path_);
  if (failed != 0) return errno_error(failed, "cannot write " + path_);
  fresh_.clear();
  return {};
}

}  // namespace ivtrace
