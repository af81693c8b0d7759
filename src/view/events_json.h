// GET events, and the raw events of a request.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "view/answer.h"
#include "view/session.h"

namespace ivtrace::view {

struct EventsAsked {
  std::int64_t from_ns = 0;
  std::int64_t until_ns = 0;
  std::string machine;              ///< "": all
  std::optional<std::int64_t> cpu;  ///< nothing: all
  std::size_t limit = 200;
};
inline constexpr std::size_t kMostEvents = 1000;
inline constexpr std::size_t kEventsOfRequest = 200;

/// kNotFound for a machine that is not there.
Result<Json> events_json(Session& session, StopSource& stop, const EventsAsked& asked);

/// A place on a machine's block device.
struct BlockPlace {
  std::string machine;
  std::string device;  ///< "8:0"
  std::int64_t sector = 0;
  std::int64_t bytes = 0;
};
/// QEMU's, that served a request of this guest.
struct HostThread {
  std::string guest;
  std::int64_t tid = 0;  ///< 0: not known
};
struct RequestEvents {
  Json events = Json::array();
  bool more = false;
};
/// In their order in time: block events of the host and the guest that touch one of the places, and system
/// calls of the thread.
Result<RequestEvents> events_of_request(Session& session, StopSource& stop, std::int64_t from_ns,
                                        std::int64_t until_ns, const std::vector<BlockPlace>& places,
                                        const HostThread& thread);

/// Does an event's text tell of sectors of that place? "8,0 R 4096 () 2048 + 8 …".
bool touches(std::string_view text, const BlockPlace& place);

}  // namespace ivtrace::view
