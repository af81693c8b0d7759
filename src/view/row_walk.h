// Goes along the model's rows themselves. A sum over all slices of a run is many times quicker this way than
// by SQL, which sorts the rows to group them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "query/row_file.h"

namespace ivtrace::view {

struct Stretch {
  std::int64_t from_ns = 0;
  std::int64_t until_ns = 0;
};
inline constexpr Stretch kAlways = {std::numeric_limits<std::int64_t>::min(),
                                    std::numeric_limits<std::int64_t>::max()};

/// Calls visit(row) for each row that overlaps the stretch. kTimeout: `stop` was set.
template <class Row, class Visit>
Status for_each_within(const query::Rows<Row>& rows, const Stretch& stretch, query::StopFlag stop,
                       Visit visit) {
  const query::Range from = {std::numeric_limits<std::int64_t>::min(), stretch.until_ns};
  const query::Range until = {stretch.from_ns, std::numeric_limits<std::int64_t>::max()};
  const query::RowFile& file = rows.file();
  for (std::uint64_t block = file.skip(0, from, until); block < file.size();) {
    if (query::stopped(stop)) return query::interrupted_error();
    const std::uint64_t end = std::min<std::uint64_t>(block + query::RowFile::kBlock, file.size());
    for (std::uint64_t i = block; i < end; ++i) {
      const Row& row = rows[i];
      if (row.from_ns < stretch.until_ns && row.until_ns > stretch.from_ns) visit(row);
    }
    block = file.skip(end, from, until);
  }
  if (file.lost()) return Error(ErrorCode::kCorrupt, "the run's cache was cut while it was read");
  return {};
}

/// How much of a row lies within the stretch.
inline std::int64_t ns_within(const query::Span& row, const Stretch& stretch) {
  return std::min(row.until_ns, stretch.until_ns) - std::max(row.from_ns, stretch.from_ns);
}

}  // namespace ivtrace::view
