#include "base/replacement.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/fd.h"
#include "base/text.h"

namespace ivtrace {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kNewFile = 0644;

/// What nobody wants to have replaced by mistake.
Error not_a_file(const std::string& path) {
  return Error(ErrorCode::kInvalid, path + " is there and is not a file", "name a file");
}

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

/// A folder that is empty, or has the mark and nothing that the mark or `mark.later` does not name.
bool may_go(const std::string& path, const Replacement::Mark& mark) {
  const auto names = list_directory(path);
  if (!names) return false;
  if (names->empty()) return true;
  const auto text = read_file(path + "/" + mark.name);
  if (!text) return false;
  const std::vector<std::string_view> known = split(*text, '\n');
  return std::ranges::all_of(*names, [&](const std::string& name) {
    return name == mark.name || name == mark.later || std::ranges::find(known, name) != known.end();
  });
}

}  // namespace

Status keep_apart(const std::string& path, const std::string& source) {
  std::error_code failed;
  const fs::path out = fs::weakly_canonical(without_slash(path), failed);
  const fs::path in = fs::weakly_canonical(without_slash(source), failed);
  const auto lies_within = [](const fs::path& inner, const fs::path& outer) {
    return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
  };
  if (lies_within(out, in))
    return Error(ErrorCode::kInvalid, path + " lies in " + source, "name another place");
  if (lies_within(in, out))
    return Error(ErrorCode::kInvalid, source + " lies in " + path, "name another place");
  return {};
}

Result<Replacement> Replacement::file(const std::string& given, bool force) {
  const std::string path = without_slash(given);
  struct stat what {};
  mode_t mode = kNewFile;
  if (::lstat(path.c_str(), &what) == 0) {
    if (!S_ISREG(what.st_mode) && !S_ISLNK(what.st_mode)) return not_a_file(path);
    if (!force) return in_the_way(path);
    if (S_ISREG(what.st_mode)) mode = what.st_mode & 07777;
  }
  std::string fresh = fresh_name(path);
  IVT_RETURN_IF_ERROR(open_at(AT_FDCWD, fresh, O_WRONLY | O_CREAT | O_EXCL, mode));
  return Replacement(path, std::move(fresh), {}, force);
}

Result<Replacement> Replacement::folder(const std::string& given, bool force, const Mark& mark) {
  const std::string path = without_slash(given);
  if (is_there(path)) {
    if (!force) return in_the_way(path);
    if (!may_go(path, mark)) {
      return Error(ErrorCode::kBusy, path + " is there already, with more in it than this command wrote",
                   "remove it, or name another place");
    }
  }
  std::string fresh = fresh_name(path);
  if (::mkdir(fresh.c_str(), 0755) != 0) return errno_error(errno, "cannot make " + fresh);
  return Replacement(path, std::move(fresh), mark.name, force);
}

Status Replacement::write_mark() {
  IVT_ASSIGN_OR_RETURN(const std::vector<std::string> names, list_directory(fresh_));
  std::string text;
  for (const std::string& name : names) text += name + "\n";
  return replace_file(fresh_ + "/" + mark_, text);
}

Replacement::Replacement(Replacement&& other) noexcept
    : path_(std::move(other.path_)),
      fresh_(std::exchange(other.fresh_, {})),
      mark_(std::move(other.mark_)),
      force_(other.force_) {}

Replacement::~Replacement() {
  if (fresh_.empty()) return;
  std::error_code ignored;
  fs::remove_all(fresh_, ignored);
}

Status Replacement::put() {
  if (!mark_.empty()) IVT_RETURN_IF_ERROR(write_mark());
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
