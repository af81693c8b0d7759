// A scripted QMP server for tests.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "base/fd.h"

namespace ivtrace::hypervisor {

inline constexpr const char* kGreeting = "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n";

/// Listens on a socket and serves clients, one after the other, with `serve` in a thread of its own; ends
/// when the last of `clients` leaves, or at once when it is destroyed while nobody is served.
class FakeQemu {
 public:
  explicit FakeQemu(std::function<void(int client)> serve, int clients = 1) {
    char name[] = "/tmp/ivtrace-qmp-XXXXXX";
    EXPECT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    path_ = directory_ + "/qmp";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    listener_ = UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_.get(), 1), 0);
    thread_ = std::thread([this, clients, serve = std::move(serve)] {
      for (int i = 0; i < clients && wait_for_client(); ++i) {
        const UniqueFd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (client.valid()) serve(client.get());
      }
    });
  }
  ~FakeQemu() {
    ended_ = true;
    thread_.join();
    std::filesystem::remove_all(directory_);
  }
  const std::string& path() const { return path_; }

 private:
  bool wait_for_client() const {
    pollfd item{listener_.get(), POLLIN, 0};
    while (!ended_) {
      if (poll(&item, 1, 10) == 1) return true;
    }
    return false;
  }

  std::string directory_;
  std::string path_;
  UniqueFd listener_;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

inline bool say(int client, const std::string& text) {
  return send(client, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

/// Calls `answer` for each command until the client leaves.
inline void serve_commands(int client,
                           const std::function<std::string(const nlohmann::json& command)>& answer) {
  say(client, kGreeting);
  std::string input;
  char chunk[4096];
  for (ssize_t count = 0; (count = recv(client, chunk, sizeof chunk, 0)) > 0;) {
    input.append(chunk, static_cast<std::size_t>(count));
    for (std::size_t end; (end = input.find('\n')) != std::string::npos; input.erase(0, end + 1)) {
      if (!say(client, answer(nlohmann::json::parse(input.substr(0, end))))) return;
    }
  }
}

inline std::string returns(const nlohmann::json& command, const nlohmann::json& value) {
  return nlohmann::json{{"return", value}, {"id", command["id"]}}.dump() + "\n";
}

inline std::string refuses(const nlohmann::json& command, const std::string& reason) {
  return nlohmann::json{{"error", {{"class", "GenericError"}, {"desc", reason}}}, {"id", command["id"]}}
             .dump() +
         "\n";
}

}  // namespace ivtrace::hypervisor
