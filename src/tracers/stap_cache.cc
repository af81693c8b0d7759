#include "tracers/stap_cache.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/fd.h"
#include "base/sha256.h"
#include "base/text.h"

namespace ivtrace::tracers {

namespace fs = std::filesystem;

namespace {

constexpr const char* kSystemCache = "/var/cache";
constexpr std::string_view kMaking = ".making-";  // and "PID-XXXXXX"

/// The pid in a name of `prefix`, pid, "-" and more; 0: it is none.
std::uint64_t owner_of(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return 0;
  name.remove_prefix(prefix.size());
  const auto pid = parse_u64(name.substr(0, name.find('-')));
  return pid && *pid <= INT32_MAX ? *pid : 0;
}

/// Where caches of this user are.
fs::path cache_base() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value != nullptr && value[0] == '/' ? value : "");
  };
  fs::path base = variable("XDG_CACHE_HOME");
  if (base.empty() && !variable("HOME").empty()) base = variable("HOME") + "/.cache";
  if (base.empty()) return kSystemCache;
  return ::geteuid() != 0 || only_root_writes(base / "ivtrace" / "stap") ? base : fs::path(kSystemCache);
}

}  // namespace

std::vector<fs::path> abandoned(const fs::path& in, std::string_view prefix) {
  std::vector<fs::path> left;
  const auto names = list_directory(in.string());
  if (!names) return left;
  for (const std::string& name : *names) {
    const std::uint64_t owner = owner_of(name, prefix);
    if (owner == 0 || ::kill(static_cast<pid_t>(owner), 0) == 0 || errno != ESRCH) continue;
    struct stat status {};
    if (::lstat((in / name).c_str(), &status) == 0 && status.st_uid == ::geteuid()) left.push_back(in / name);
  }
  return left;
}

bool only_root_writes(const fs::path& path) {
  fs::path walked;
  for (const fs::path& part : path) {
    walked /= part;
    struct stat status {};
    if (part == ".." || (::lstat(walked.c_str(), &status) != 0 && errno != ENOENT)) return false;
    if (status.st_mode == 0) return true;  // not there: who makes it writes to the one above
    const bool others_write =
        (status.st_mode & S_IWOTH) != 0 || ((status.st_mode & S_IWGRP) != 0 && status.st_gid != 0);
    const bool sticky = (status.st_mode & S_ISVTX) != 0;
    if (!S_ISDIR(status.st_mode) || status.st_uid != 0 || (others_write && !sticky)) return false;
  }
  return true;
}

Result<fs::path> stap_cache() {
  const fs::path cache = cache_base() / "ivtrace" / "stap";
  std::error_code error;
  fs::create_directories(cache, error);
  if (error) return Error(ErrorCode::kIo, "cannot make " + cache.string() + ": " + error.message());
  struct stat status {};
  if (::stat(cache.c_str(), &status) != 0 || status.st_uid != ::geteuid() ||
      ::chmod(cache.c_str(), 0700) != 0) {
    return Error(ErrorCode::kPermission,
                 cache.string() + " is another user's: no kernel module is taken out of it",
                 "let HOME or XDG_CACHE_HOME name your own");
  }
  return cache;
}

Result<ScratchDirectory> ScratchDirectory::make(const fs::path& in) {
  std::error_code ignored;
  for (const fs::path& left : abandoned(in, kMaking)) fs::remove_all(left, ignored);
  std::string name = (in / (std::string(kMaking) + std::to_string(::getpid()) + "-XXXXXX")).string();
  if (::mkdtemp(name.data()) == nullptr)
    return errno_error(errno, "cannot make a directory in " + in.string());
  return ScratchDirectory(name);
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

Status make_once(const fs::path& final, const std::function<Status(const fs::path&)>& fill) {
  std::error_code error;
  if (fs::exists(final, error)) return {};
  IVT_ASSIGN_OR_RETURN(const ScratchDirectory scratch, ScratchDirectory::make(final.parent_path()));
  const fs::path made = scratch.path() / "made";
  fs::create_directory(made, error);
  IVT_RETURN_IF_ERROR(fill(made));
  fs::rename(made, final, error);
  if (error && !fs::exists(final))
    return Error(ErrorCode::kIo, "cannot make " + final.string() + ": " + error.message());
  return {};
}

std::string short_hash(std::string_view text) {
  return sha256_hex(std::as_bytes(std::span(text))).substr(0, 16);
}

}  // namespace ivtrace::tracers
