// The names of a run that can be searched for: made once, by going along its rows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "query/model_rows.h"
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

/// Of all slices, the most frequent first; at most kMostNames of a kind, so that no run fills the memory. All
/// rows have been made. kTimeout: `stop` was set.
inline constexpr std::size_t kMostNames = 100'000;
Result<std::vector<Name>> names_of(const query::ModelRows& rows, const Tracks& tracks, query::StopFlag stop);

}  // namespace ivtrace::view
