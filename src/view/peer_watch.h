// Ends the work for a page that has gone away: a thread looks at the sockets of all requests at work.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "view/stop_source.h"

namespace ivtrace::view {

/// Owns its thread. Any thread.
class PeerWatch {
 public:
  static Result<std::unique_ptr<PeerWatch>> start();
  ~PeerWatch();
  PeerWatch(const PeerWatch&) = delete;
  PeerWatch& operator=(const PeerWatch&) = delete;

  /// While it lives, `stop` is asked for when the other end of the socket is gone. Borrows all three.
  class Watched {
   public:
    Watched(PeerWatch& watch, int socket, StopSource& stop) : watch_(watch), id_(watch.add(socket, stop)) {}
    ~Watched() { watch_.remove(id_); }
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;

   private:
    PeerWatch& watch_;
    std::uint64_t id_;
  };

  /// All that is watched now and from now on is asked to stop: the server ends.
  void stop_all();

 private:
  struct Entry {
    int socket = -1;
    StopSource* stop = nullptr;
    bool gone = false;
  };
  explicit PeerWatch(UniqueFd wake) : wake_(std::move(wake)) {}
  std::uint64_t add(int socket, StopSource& stop);
  void remove(std::uint64_t id);
  void wake();
  void run();
  /// False: the end.
  bool look();

  UniqueFd wake_;  ///< an eventfd: the list is another one
  std::mutex mutex_;
  std::map<std::uint64_t, Entry> entries_;
  std::uint64_t last_id_ = 0;
  bool stopping_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace ivtrace::view
