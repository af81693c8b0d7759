// The names of a run that can be searched for: made once, by a few walks over the tables.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "query/database.h"
#include "view/tracks.h"

namespace ivtrace::view {

/// Something with a name on a track.
struct Name {
  const char* what = "";  ///< as docs/view-api.md has it
  std::string label;
  std::string text;    ///< for people
  std::string folded;  ///< the text, with small letters
  std::int64_t tid = -1;
  std::int64_t track = Tracks::kNone;
  std::int64_t machine = Tracks::kNone;
  std::int64_t count = 0;
  std::int64_t first_ns = 0;
  std::int64_t last_ns = 0;
};

/// Letters A to Z only: what a guest wrote is any bytes.
std::string fold(std::string_view text);

/// Of all slices, the most frequent first; at most kMostNames of each table.
inline constexpr std::size_t kMostNames = 100'000;
Result<std::vector<Name>> names_of(query::Database& database, const Tracks& tracks);

}  // namespace ivtrace::view
