// Calls into a library that may block for ever, made by a thread of their own and waited for with a limit.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/result.h"
#include "base/units.h"

namespace ivtrace::hypervisor {

/// Runs calls one after the other. The thread is never waited for: one that is stuck in a call stays behind
/// until the process ends, with what the call holds. So calls must own, or share, all that they use.
class CallThread {
 public:
  CallThread() : state_(std::make_shared<State>()) {
    std::thread([state = state_] { serve(*state); }).detach();
  }
  ~CallThread() {
    const std::lock_guard lock(state_->mutex);
    state_->ended = true;
    state_->changed.notify_all();
  }
  CallThread(const CallThread&) = delete;
  CallThread& operator=(const CallThread&) = delete;

  /// What the call gives, or nothing when it was not done within the limit; at once, when an earlier one was
  /// given up and has not come back. A call that has not begun by then is not made.
  template <class T>
  std::optional<T> call(std::function<T()> body, Nanoseconds limit) {
    struct Answer {
      std::optional<T> value;
      bool abandoned = false;
    };
    const auto answer = std::make_shared<Answer>();
    const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(limit.value);
    State& state = *state_;
    std::unique_lock lock(state.mutex);
    if (state.given_up != 0) return std::nullopt;
    state.calls.push_back([answer, body = std::move(body), shared = state_] {
      {
        const std::lock_guard guard(shared->mutex);
        if (answer->abandoned) {
          --shared->given_up;
          return;
        }
      }
      T value = body();
      const std::lock_guard guard(shared->mutex);
      if (answer->abandoned) --shared->given_up;
      answer->value = std::move(value);
      shared->changed.notify_all();
    });
    state.changed.notify_all();
    if (state.changed.wait_until(lock, end, [&] { return answer->value.has_value(); }))
      return std::move(answer->value);
    answer->abandoned = true;
    ++state.given_up;
    return std::nullopt;
  }

  /// A call was given up and has not come back.
  bool is_stuck() const {
    const std::lock_guard lock(state_->mutex);
    return state_->given_up != 0;
  }

  /// A last call, made after all others, for which nobody waits.
  void post(std::function<void()> body) {
    const std::lock_guard lock(state_->mutex);
    state_->calls.push_back(std::move(body));
    state_->changed.notify_all();
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::function<void()>> calls;
    int given_up = 0;  ///< calls that nobody waits for any more and that have not come back
    bool ended = false;
  };

  static void serve(State& state) {
    std::unique_lock lock(state.mutex);
    while (true) {
      state.changed.wait(lock, [&] { return state.ended || !state.calls.empty(); });
      if (state.calls.empty()) return;
      {
        // What it holds may take the library's time to go: never under the lock, which the owner takes.
        const std::function<void()> call = std::move(state.calls.front());
        state.calls.pop_front();
        lock.unlock();
        call();
      }
      lock.lock();
    }
  }

  std::shared_ptr<State> state_;
};

}  // namespace ivtrace::hypervisor
