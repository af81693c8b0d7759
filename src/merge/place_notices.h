// What a walk over all events had to leave out or to move in time, in words.
#pragma once

#include <string>
#include <vector>

#include "clock/clock_map.h"
#include "merge/run_events.h"

namespace ivtrace::merge {

/// Of the events that were walked so far.
struct PlaceNotices {
  std::vector<std::string> lines;  ///< one for each machine and trouble, for people
  bool missing = false;            ///< events were left out
};

/// Ask it behind the last event.
PlaceNotices place_notices(const RunEvents& events, const clock::HostClock& clock);

}  // namespace ivtrace::merge
