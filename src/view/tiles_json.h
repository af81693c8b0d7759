// Tiles as docs/view-api.md has them. They are most of what goes to the page, so their text is made by hand.
#pragma once

#include <string>
#include <vector>

#include "timeline/tile.h"
#include "timeline/track.h"

namespace ivtrace::view {

/// {"tiles": […]}; `tracks` has all of theirs.
std::string tiles_text(const std::vector<timeline::TileTrack>& tiles,
                       const std::vector<timeline::Track>& tracks);

}  // namespace ivtrace::view
