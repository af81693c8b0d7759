// Rows that a query made, kept beside their run for the next one: RUN/.cache (docs/format/run.md).
//
// A cache is never needed and never trusted. Whatever hinders it (no permission, a full disk, another user's
// run, a program without a build ID) means that there is none, without a word. What is found is taken only
// when it was made by the same build from the same run, is as long as it says, and has the right sums; what
// its rows mean is the reader's to check. Here rows are bytes.
//
//   a set's file:  Head | beside | pad | rows of the first kind | pad | rows of the second kind | …
//
// A set is what can be used only together. `beside` is whatever else belongs to it. Rows begin at pages, so
// that they are mapped and not copied. A file appears by rename and is never changed afterwards; the writer
// holds a lock on the folder, so any other file of a writer's that lies there is a dead one's.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/mapping.h"
#include "clock/clock_map.h"
#include "query/row_file.h"
#include "run/run_reader.h"

namespace ivtrace::query {

/// Rows of one kind, to be kept.
struct RowsToKeep {
  const RowFile* file = nullptr;
  /// The bits of a row that mean something; the others are kept as 0, whatever they are.
  std::span<const std::uint64_t> used;
};
/// Rows of one kind, as they were found.
struct RowsFound {
  std::uint64_t count = 0;
  Mapping bytes;          ///< guarded; not valid when there are none
  std::uint64_t sum = 0;  ///< that they must have, by sum_of_rows() of their blocks
};
struct SetFound {
  std::string beside;
  std::vector<RowsFound> rows;  ///< as many as asked for
};
/// The sum of a block of rows (RowFile::kBlock, the last one fewer) and of those before it.
std::uint64_t sum_of_rows(std::span<const std::byte> block, std::uint64_t before);

/// The cache of a run as it was opened. One thread; several programs may use the same. Borrows the run.
class RowCache {
 public:
  /// A run that is still being recorded, or has changed since it was opened, has no cache. `stop`: gives up.
  RowCache(const run::RunReader& run, const clock::HostClock& clock, StopFlag stop);

  /// `row_bytes`: of each kind of the set. Nothing when there is none, or it is damaged in any way that can
  /// be told without looking at the rows.
  std::optional<SetFound> find(std::string_view set, std::span<const std::size_t> row_bytes) const;
  /// Puts a set there, if that may be; what was kept of the run by other builds, or when it was another,
  /// goes.
  void keep(std::string_view set, std::string_view beside, std::span<const RowsToKeep> rows) const;

 private:
  std::string file_name(std::string_view set) const;
  bool has_room(const UniqueFd& directory, std::uint64_t bytes) const;
  std::optional<std::uint64_t> tidy(const UniqueFd& directory, std::string_view but) const;
  Status write(const UniqueFd& file, std::string_view beside, std::span<const RowsToKeep> rows) const;

  const run::RunReader& run_;
  const clock::HostClock& clock_;
  StopFlag stop_;
  std::uint64_t run_bytes_ = 0;
  std::string key_;  ///< hexadecimal, of all that rows depend on; "": no cache
};

}  // namespace ivtrace::query
