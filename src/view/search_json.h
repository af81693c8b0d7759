// GET search and GET next.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "view/answer.h"
#include "view/session.h"

namespace ivtrace::view {

inline constexpr std::int64_t kMostHits = 1000;

/// kBusy until all is read. The first search makes the list of names.
Result<Json> search_json(Session& session, StopSource& stop, const std::string& text, std::size_t limit);

struct NextAsked {
  std::uint32_t track = 0;
  std::string label;
  std::optional<std::int64_t> tid;
  std::int64_t from_ns = 0;
  bool forward = true;
};
Result<Json> next_json(Session& session, StopSource& stop, const NextAsked& asked);

}  // namespace ivtrace::view
