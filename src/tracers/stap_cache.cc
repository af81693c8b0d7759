#include "tracers/stap_cache.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <span>

#include "base/sha256.h"

namespace ivtrace::tracers {

namespace fs = std::filesystem;

Result<fs::path> stap_cache() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value != nullptr && value[0] == '/' ? value : "");
  };
  fs::path base = variable("XDG_CACHE_HOME");
  if (base.empty() && !variable("HOME").empty()) base = variable("HOME") + "/.cache";
  if (base.empty()) base = "/var/cache";
  const fs::path cache = base / "ivtrace" / "stap";
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
  std::string name = (in / ".making-XXXXXX").string();
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
