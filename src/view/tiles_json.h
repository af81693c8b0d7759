// Tiles as docs/view-api.md has them. They are most of what goes to the page, so their text is made by hand.
#pragma once

#include <string>
#include <vector>

#include "timeline/tile.h"

namespace ivtrace::view {

/// {"tiles": […]}.
std::string tiles_text(const std::vector<timeline::TileTrack>& tiles);

}  // namespace ivtrace::view
