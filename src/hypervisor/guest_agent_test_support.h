// A scripted QEMU guest agent on a socket, for tests.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>

#include "base/base64.h"
#include "hypervisor/qmp_test_support.h"

namespace ivtrace::hypervisor {

/// Serves one client after the other. Programs are scripts of deploy and undeploy: how each ends is told by
/// `run`, which gets the script and its arguments.
class FakeGuestAgent {
 public:
  struct End {
    int code = 0;
    std::string output;
    bool runs_on = false;
  };
  std::function<End(const std::string& script, const nlohmann::json& arguments)> run;
  std::string forbidden;    ///< a command that it does not allow
  std::string write_error;  ///< said to guest-file-write
  std::string before_sync;  ///< sent to each client first
  std::map<std::string, std::string> files;

  explicit FakeGuestAgent(int clients = 1) : socket_([this](int client) { serve(client); }, clients) {}
  const std::string& path() const { return socket_.path(); }

 private:
  void serve(int client) {
    if (!before_sync.empty()) say(client, before_sync);
    std::string input;
    char chunk[65536];
    for (ssize_t count = 0; (count = recv(client, chunk, sizeof chunk, 0)) > 0;) {
      input.append(chunk, static_cast<std::size_t>(count));
      for (std::size_t end; (end = input.find('\n')) != std::string::npos; input.erase(0, end + 1)) {
        std::string line = input.substr(0, end);
        std::erase(line, '\xff');
        if (!say(client, answer(nlohmann::json::parse(line)) + "\n")) return;
      }
    }
  }

  std::string answer(const nlohmann::json& command) {
    using nlohmann::json;
    const std::string name = command["execute"];
    const json arguments = command.value("arguments", json::object());
    const auto gives = [](const json& value) { return json{{"return", value}}.dump(); };
    const auto fails = [](const std::string& why) {
      return json{{"error", {{"class", "GenericError"}, {"desc", why}}}}.dump();
    };
    if (name == "guest-sync-delimited") return "\xff" + gives(arguments["id"]);
    if (name == "guest-info") {
      json list = json::array();
      for (const char* known : {"guest-file-open", "guest-file-write", "guest-file-flush", "guest-file-close",
                                "guest-exec", "guest-exec-status"})
        list.push_back({{"name", known}, {"enabled", known != forbidden}});
      return gives({{"supported_commands", list}});
    }
    if (name == "guest-file-open") {
      open_ = arguments["path"];
      files[open_].clear();
      return gives(1000);
    }
    if (name == "guest-file-write") {
      if (!write_error.empty()) return fails(write_error);
      const std::string bytes = base64_decode(arguments["buf-b64"].get<std::string>()).value();
      files[open_] += bytes;
      return gives({{"count", bytes.size()}, {"eof", false}});
    }
    if (name == "guest-exec") {
      json list = arguments["arg"];
      const std::string script = list[1];
      list.erase(list.begin(), list.begin() + 3);
      ends_.push_back(run ? run(script, list) : End());
      return gives({{"pid", ends_.size()}});
    }
    if (name == "guest-exec-status") {
      const End& end = ends_.at(arguments["pid"].get<std::size_t>() - 1);
      if (end.runs_on) return gives({{"exited", false}});
      return gives({{"exited", true},
                    {"exitcode", end.code},
                    {"out-data", base64_encode(std::as_bytes(std::span(end.output)))}});
    }
    return gives(json::object());
  }

  std::string open_;
  std::vector<End> ends_;
  FakeQemu socket_;
};

}  // namespace ivtrace::hypervisor
