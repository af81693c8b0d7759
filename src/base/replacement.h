// A file or folder that is made beside its place and put there when it is whole.
#pragma once

#include <string>

#include "base/result.h"

namespace ivtrace {

/// Owns what is being made at fresh(), in the folder of its place, and removes it unless put() gave it its
/// place. A reader of the place sees what was there before or all of the new. One thread. Movable.
class Replacement {
 public:
  /// kBusy when something is at `path`, unless `force` allows to replace a file. fresh() is an empty file.
  static Result<Replacement> file(const std::string& path, bool force);
  /// The same of a folder; fresh() is an empty one. `force` allows to replace a folder that is empty or has a
  /// file named `mark`, which must be put into every folder that may be replaced: whatever else is there is
  /// somebody's work.
  static Result<Replacement> folder(const std::string& path, bool force, const std::string& mark);
  Replacement(Replacement&& other) noexcept;
  Replacement& operator=(Replacement&&) = delete;
  ~Replacement();

  const std::string& fresh() const { return fresh_; }
  /// Takes the place; what was written was synced by who wrote it. kBusy when something came there meanwhile.
  Status put();

 private:
  Replacement(std::string path, std::string fresh, bool force)
      : path_(std::move(path)), fresh_(std::move(fresh)), force_(force) {}

  std::string path_;
  std::string fresh_;  // "" when there is nothing to remove
  bool force_;
};

}  // namespace ivtrace
