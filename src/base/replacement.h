// A file or folder that is made beside its place and put there when it is whole.
#pragma once

#include <string>

#include "base/result.h"

namespace ivtrace {

/// Owns what is being made at fresh(), in the folder of its place, and removes it unless put() gave it its
/// place. A reader of the place sees what was there before or all of the new. One thread. Movable.
class Replacement {
 public:
  /// kBusy when something is at `path`, unless `force` allows to replace a file, whose mode is kept. kInvalid
  /// when it is no file (a device, a folder). fresh() is an empty file.
  static Result<Replacement> file(const std::string& path, bool force);
  /// A file that put() writes into a folder: the names of what the folder has then.
  struct Mark {
    std::string name;
    std::string later;  ///< what may come into the folder afterwards; "": nothing
  };
  /// The same of a folder; fresh() is an empty one. `force` allows to replace a folder that is empty, or that
  /// has the mark and nothing beside what it names: whatever else is there is somebody's work.
  static Result<Replacement> folder(const std::string& path, bool force, const Mark& mark);
  Replacement(Replacement&& other) noexcept;
  Replacement& operator=(Replacement&&) = delete;
  ~Replacement();

  const std::string& fresh() const { return fresh_; }
  /// Takes the place; what was written was synced by who wrote it. kBusy when something came there meanwhile.
  Status put();

 private:
  Replacement(std::string path, std::string fresh, std::string mark, bool force)
      : path_(std::move(path)), fresh_(std::move(fresh)), mark_(std::move(mark)), force_(force) {}
  Status write_mark();

  std::string path_;
  std::string fresh_;  // "" when there is nothing to remove
  std::string mark_;   // "" for a file
  bool force_;
};

/// kInvalid when one of two paths lies within the other: what is written to `path` must not harm `source`.
Status keep_apart(const std::string& path, const std::string& source);

}  // namespace ivtrace
