// Calls into a library by way of a session with a daemon, which serves many subjects (domains): one of them
// that hangs must not make the others unreachable.
//
//   a call is given up → its session and its thread are left behind, with the subject that is to blame
//                      → fresh ones take the calls for the other subjects
//   it comes back      → what was left behind is closed, and the subject is served again
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/units.h"
#include "hypervisor/call_thread.h"

namespace ivtrace::hypervisor {

/// Any thread. A session is used and destroyed by the thread of its calls alone.
template <class Session>
class SessionCalls {
 public:
  /// Each that is left behind is a thread and a connection: when so many are, it is the daemon.
  static constexpr std::size_t kMaxLeftBehind = 8;

  explicit SessionCalls(std::function<std::shared_ptr<Session>()> make) : make_(std::move(make)) {}

  /// What the call gives, or nothing when it was not done within the limit; at once, while an earlier one for
  /// this subject, or for none (""), has not come back.
  template <class T>
  std::optional<T> call(const std::string& subject, std::function<T(Session&)> body, Nanoseconds limit) {
    const std::shared_ptr<Worker> worker = worker_for(subject);
    if (!worker) return std::nullopt;
    const auto begun = std::make_shared<std::atomic<bool>>(false);
    std::optional<T> result = worker->calls.template call<T>(
        [session = worker->session, body = std::move(body), begun] {
          begun->store(true, std::memory_order_relaxed);
          return body(*session);
        },
        limit);
    // One that waited behind another's call is not to blame.
    if (!result && begun->load(std::memory_order_relaxed)) leave_behind(worker, subject);
    return result;
  }

 private:
  struct Worker {
    explicit Worker(std::shared_ptr<Session> made) : session(std::move(made)) {}
    ~Worker() {
      // Closed by the thread that uses it, whenever that comes to it.
      calls.post([session = std::move(session)] {});
    }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    std::shared_ptr<Session> session;
    CallThread calls;
  };
  struct LeftBehind {
    std::shared_ptr<Worker> worker;
    std::string subject;
  };

  std::shared_ptr<Worker> worker_for(const std::string& subject) {
    const std::lock_guard lock(mutex_);
    std::erase_if(left_, [](const LeftBehind& left) { return !left.worker->calls.is_stuck(); });
    const bool blamed = std::ranges::any_of(
        left_, [&](const LeftBehind& left) { return left.subject.empty() || left.subject == subject; });
    if (blamed || left_.size() >= kMaxLeftBehind) return nullptr;
    if (!current_) current_ = std::make_shared<Worker>(make_());
    return current_;
  }

  void leave_behind(const std::shared_ptr<Worker>& worker, const std::string& subject) {
    const std::lock_guard lock(mutex_);
    left_.push_back({worker, subject});
    if (current_ == worker) current_ = nullptr;
  }

  std::mutex mutex_;
  std::function<std::shared_ptr<Session>()> make_;
  std::shared_ptr<Worker> current_;
  std::vector<LeftBehind> left_;
};

}  // namespace ivtrace::hypervisor
