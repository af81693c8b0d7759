#include "cli/interrupt.h"

namespace ivtrace::cli {
namespace {

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set by a signal handler");

void on_interrupt(int) { stop_requested.store(true, std::memory_order_relaxed); }  // Relaxed: guards nothing.

}  // namespace

InterruptFlag::InterruptFlag(std::vector<int> signals) {
  stop_requested = false;
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  for (const int signal : signals) {
    struct sigaction before = {};
    ::sigaction(signal, &action, &before);
    // nohup's choice stands.
    if (signal == SIGHUP && before.sa_handler == SIG_IGN) ::sigaction(signal, &before, nullptr);
    before_.emplace_back(signal, before);
  }
}

InterruptFlag::~InterruptFlag() {
  for (const auto& [signal, before] : before_) ::sigaction(signal, &before, nullptr);
}

const std::atomic<bool>* InterruptFlag::flag() const { return &stop_requested; }

}  // namespace ivtrace::cli
