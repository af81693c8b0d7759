#include "cli/view_browser.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <unistd.h>

#include <span>

#include "base/fd.h"

namespace ivtrace::cli {
namespace {

bool is_set(const char* variable) {
  const char* const value = ::getenv(variable);
  return value != nullptr && *value != '\0';
}

void start_xdg_open(const std::string& what) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  // A session of its own: Ctrl-C is for the viewer, not for a browser that was started by it.
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  std::string program = "xdg-open";
  std::string argument = what;
  char* const arguments[] = {program.data(), argument.data(), nullptr};
  pid_t pid = 0;
  ::posix_spawnp(&pid, program.c_str(), &actions, &attributes, arguments, environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
}

}  // namespace

bool has_desktop() { return is_set("DISPLAY") || is_set("WAYLAND_DISPLAY"); }

BrowserStart::BrowserStart(const std::string& address) {
  constexpr std::string_view kEnding = ".html";
  const std::string folder = is_set("XDG_RUNTIME_DIR") ? ::getenv("XDG_RUNTIME_DIR") : "/tmp";
  std::string name = folder + "/ivtrace-view-XXXXXX" + std::string(kEnding);
  const UniqueFd file(::mkostemps(name.data(), kEnding.size(), O_CLOEXEC));  // for nobody else's eyes
  if (!file.valid()) return;
  file_ = name;
  const std::string page =
      "<!doctype html><meta charset=\"utf-8\"><title>ivtrace</title><meta http-equiv=\"refresh\" "
      "content=\"0; url=" +
      address + "\">\n";
  if (write_all(file.get(), std::as_bytes(std::span(page)), file_)) start_xdg_open("file://" + file_);
}

BrowserStart::~BrowserStart() {
  if (!file_.empty()) ::unlink(file_.c_str());
}

}  // namespace ivtrace::cli
