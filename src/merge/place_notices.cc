#include "merge/place_notices.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "base/line_format.h"

namespace ivtrace::merge {
namespace {

struct Found {
  std::uint64_t without_time = 0;
  std::uint64_t moved = 0;
  std::uint64_t furthest = 0;  ///< host ticks
  std::uint64_t error = 0;     ///< of the machine's clock, host ticks
};

std::string time_text(const clock::HostClock& clock, std::uint64_t ticks) {
  return grouped(static_cast<std::uint64_t>(clock.ticks_to_ns(ticks).value));
}

}  // namespace

PlaceNotices place_notices(const RunEvents& events, const clock::HostClock& clock) {
  std::map<std::pair<std::size_t, std::string_view>, Found> machines;
  for (const auto& stream : events.streams()) {
    const StreamStats& stats = stream->stats();
    Found& found = machines[{stream->info().machine, stream->info().machine_name}];
    found.without_time += stats.without_time;
    if (const clock::GuestClock* const guest = events.guest_clock(stream->info().machine))
      found.error = guest->worst_error().value_or(0);
    if (!stream->aligned() || stats.furthest_move <= found.error) continue;
    found.moved += stats.moved;
    found.furthest = std::max(found.furthest, stats.furthest_move);
  }
  PlaceNotices notices;
  for (const auto& [machine, found] : machines) {
    if (found.without_time > 0) {
      notices.lines.push_back(fmt::format("{}: {} events are left out: no clock relation holds at their time",
                                          machine.second, grouped(found.without_time)));
      notices.missing = true;
    }
    if (found.moved > 0) {
      notices.lines.push_back(fmt::format(
          "{}: {} events were moved to keep the order, the furthest by {} ns; the clock's error is {} ns",
          machine.second, grouped(found.moved), time_text(clock, found.furthest),
          time_text(clock, found.error)));
    }
  }
  return notices;
}

}  // namespace ivtrace::merge
