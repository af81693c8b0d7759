#include "view/peer_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace ivtrace::view {

Result<std::unique_ptr<PeerWatch>> PeerWatch::start() {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return errno_error(errno, "cannot make an eventfd");
  std::unique_ptr<PeerWatch> watch(new PeerWatch(std::move(wake)));
  PeerWatch* const started = watch.get();
  watch->thread_ = std::thread([started] { started->run(); });
  return watch;
}

PeerWatch::~PeerWatch() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake();
  thread_.join();
}

std::uint64_t PeerWatch::add(int socket, StopSource& stop) {
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    id = ++last_id_;
    entries_[id] = {socket, &stop, false};
    if (stopping_) stop.request();
  }
  wake();
  return id;
}

void PeerWatch::remove(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  entries_.erase(id);
}

void PeerWatch::stop_all() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (auto& [id, entry] : entries_) entry.stop->request();
}

void PeerWatch::wake() {
  const std::uint64_t one = 1;
  // It fails only when the counter is full, and then the thread wakes up anyway.
  if (::write(wake_.get(), &one, sizeof one) < 0) return;
}

void PeerWatch::run() {
  while (look()) {
  }
}

bool PeerWatch::look() {
  std::vector<pollfd> sockets = {{wake_.get(), POLLIN, 0}};
  std::vector<std::uint64_t> ids;
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return false;
    for (const auto& [id, entry] : entries_) {
      if (entry.gone) continue;
      sockets.push_back({entry.socket, POLLRDHUP, 0});
      ids.push_back(id);
    }
  }
  if (::poll(sockets.data(), sockets.size(), -1) < 0) return true;
  std::uint64_t count = 0;
  if (sockets[0].revents != 0 && ::read(wake_.get(), &count, sizeof count) < 0) return true;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    // One that was removed meanwhile may have left its number to another socket: then this is not its news.
    const auto found = entries_.find(ids[i]);
    if (sockets[i + 1].revents == 0 || found == entries_.end()) continue;
    found->second.gone = true;
    found->second.stop->request();
  }
  return true;
}

}  // namespace ivtrace::view
