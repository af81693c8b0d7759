// Follows a made run's disk requests, for tests.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/io_path.h"
#include "model/io_test_support.h"

namespace ivtrace::model {

struct Followed {
  std::vector<IoRequest> requests;
  std::uint64_t unfinished = 0;
};

inline Followed follow(MadeIo& made) {
  const run::RunReader run = made.open();
  auto events = *merge::RunEvents::open(run, {});
  Followed followed;
  const LostRanges lost;
  IoPath path(run, events, lost, [&](const IoRequest& request) { followed.requests.push_back(request); });
  EXPECT_TRUE(path.recorded());
  merge::MergedEvent event;
  while (events.next(event)) path.look(event);
  followed.unfinished = path.unfinished(1);
  return followed;
}

inline std::string text_of(const IoRequest& request) {
  std::string text = to_string(request.tie);
  for (const IoPhase& phase : request.phases()) {
    text += fmt::format(" {} {}-{}", to_string(phase.kind), phase.from.value - kIoStart,
                        phase.until.value - kIoStart);
  }
  return text;
}

}  // namespace ivtrace::model
