#include "cli/exchange_progress.h"

#include <fmt/format.h>

namespace ivtrace::cli {

void ExchangeProgress::at(const char* what, double done) {
  constexpr std::chrono::milliseconds kBetween{100};
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + kBetween;
  line_.say(fmt::format("{}: {:.0f} %", what, done * 100));
}

}  // namespace ivtrace::cli
