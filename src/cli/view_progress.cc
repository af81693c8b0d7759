#include "cli/view_progress.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

namespace ivtrace::cli {

std::string view_progress_line(const timeline::Progress& progress, const patterns::Diagnosis* diagnosis) {
  if (!progress.failure.empty()) return "the run could not be read: " + progress.failure;
  // Two walks, of which the second takes several times as long.
  constexpr double kFirst = 0.2;
  const double done = kFirst * progress.switches + (1 - kFirst) * progress.rows;
  if (!progress.done) return fmt::format("reading the run: {:.0f} %", done * 100);
  if (diagnosis == nullptr) return "trying the patterns";
  const std::size_t count = diagnosis->findings.size();
  return count == 1 ? "1 finding" : fmt::format("{} findings", count);
}

bool ViewProgress::is_ready() const {
  return session_.timeline().progress().done && session_.diagnosis() != nullptr;
}

void ViewProgress::show() {
  const auto diagnosis = session_.diagnosis();
  line_.say(view_progress_line(session_.timeline().progress(), diagnosis.get()));
}

void ViewProgress::wait() {
  constexpr std::chrono::milliseconds kLookAgain{100};
  std::this_thread::sleep_for(kLookAgain);
}

}  // namespace ivtrace::cli
