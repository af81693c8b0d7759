// What is kept between compilations: the tapset, modules, adapted parts of SystemTap and of build trees.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ivtrace::tracers {

/// ~/.cache/ivtrace/stap (or below XDG_CACHE_HOME); /var/cache/ivtrace/stap without a home, and for root
/// whose home others can write to (sudo may leave HOME as it was). Made, and only its owner's: kernel modules
/// come out of it.
Result<std::filesystem::path> stap_cache();

/// Whether nobody but root can put anything below an absolute path: each part of it that is there is a
/// directory of root's that others cannot write to, except a sticky one (/tmp), where they cannot replace the
/// next part.
bool only_root_writes(const std::filesystem::path& path);

/// What processes that are gone have left in a directory, of the names that begin with `prefix`, a pid and
/// "-"; only what is this user's.
std::vector<std::filesystem::path> abandoned(const std::filesystem::path& in, std::string_view prefix);

/// A directory that goes with the object. Its name holds the pid; those that a killed process has left go
/// when the same user makes another one beside.
class ScratchDirectory {
 public:
  static Result<ScratchDirectory> make(const std::filesystem::path& in);
  ScratchDirectory(ScratchDirectory&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  ScratchDirectory& operator=(ScratchDirectory&&) = delete;
  ~ScratchDirectory();
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit ScratchDirectory(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

/// Makes a directory of the cache, once: `fill` gets a scratch one, which then gets the name. Who comes
/// second finds it.
Status make_once(const std::filesystem::path& final,
                 const std::function<Status(const std::filesystem::path& made)>& fill);

/// 16 hexadecimal digits of a text's SHA-256.
std::string short_hash(std::string_view text);

}  // namespace ivtrace::tracers
