#include "tracers/stap_leftovers.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <set>
#include <thread>

#include "base/fd.h"
#include "base/process.h"
#include "base/text.h"
#include "tracers/stap_compile.h"

namespace ivtrace::tracers {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kEndLimit{3};
constexpr std::chrono::milliseconds kNap{20};

struct Server {
  pid_t pid = 0;
  std::string module;
  bool owned = false;  // its parent is a living ivtrace
};

std::string proc_file(std::uint64_t pid, const char* name) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/" + name, 1u << 20);
  return text ? *text : std::string();
}

/// The parent's pid: field 4 of stat, behind the name, which may hold anything.
std::uint64_t parent_of(std::uint64_t pid) {
  const std::string stat = proc_file(pid, "stat");
  const std::size_t behind_name = stat.rfind(')');
  if (behind_name == stat.npos) return 0;
  const auto fields = split(std::string_view(stat).substr(behind_name + 1), ' ');
  const auto parent = fields.size() > 2 ? parse_u64(fields[2]) : Result<std::uint64_t>(std::uint64_t{0});
  return parent ? *parent : 0;
}

/// The module that a command line names: "/dir/ivtrace_0123456789abcdef.ko".
std::string module_of(const std::string& words) {
  for (std::string_view word : split(words, '\0')) {
    if (const std::size_t slash = word.rfind('/'); slash != word.npos) word.remove_prefix(slash + 1);
    if (word.ends_with(".ko")) word.remove_suffix(3);
    if (is_stap_module_name(word)) return std::string(word);
  }
  return "";
}

std::vector<Server> find_servers() {
  std::vector<Server> servers;
  const auto names = list_directory("/proc");
  if (!names) return servers;
  for (const std::string& name : *names) {
    const auto pid = parse_u64(name);
    if (!pid) continue;
    const std::string comm(trim(proc_file(*pid, "comm")));
    if (comm != "staprun" && comm != "stapio") continue;
    const std::string module = module_of(proc_file(*pid, "cmdline"));
    if (module.empty()) continue;
    const bool owned = is_living_ivtrace(static_cast<std::int32_t>(parent_of(*pid)));
    servers.push_back({static_cast<pid_t>(*pid), module, owned});
  }
  return servers;
}

std::vector<std::string> loaded_modules() {
  std::vector<std::string> modules;
  const auto text = read_file("/proc/modules");
  if (!text) return modules;  // a kernel without modules
  for (const std::string_view line : split(*text, '\n')) {
    const std::string_view name = line.substr(0, line.find(' '));
    if (is_stap_module_name(name)) modules.emplace_back(name);
  }
  return modules;
}

/// stapio unloads its module itself when it is asked to end.
void end_servers(const std::vector<Server>& servers) {
  const auto give_up = Clock::now() + kEndLimit;
  const auto lives = [](const Server& server) { return !server.owned && ::kill(server.pid, 0) == 0; };
  for (const Server& server : servers) {
    if (!server.owned) ::kill(server.pid, SIGTERM);
  }
  while (std::any_of(servers.begin(), servers.end(), lives) && Clock::now() < give_up)
    std::this_thread::sleep_for(kNap);
  for (const Server& server : servers) {
    if (lives(server)) ::kill(server.pid, SIGKILL);
  }
}

/// 0, or the errno of the last try.
int unload(const std::string& module) {
  const auto give_up = Clock::now() + kEndLimit;
  while (true) {
    if (::syscall(SYS_delete_module, module.c_str(), O_NONBLOCK) == 0 || errno == ENOENT) return 0;
    const int error = errno;
    if ((error != EAGAIN && error != EBUSY) || Clock::now() >= give_up) return error;
    std::this_thread::sleep_for(kNap);
  }
}

}  // namespace

std::vector<std::string> unload_leftover_modules() {
  std::vector<std::string> problems;
  // Before the servers: a module that a living ivtrace loads meanwhile is not among them.
  const std::vector<std::string> modules = loaded_modules();
  if (modules.empty()) return problems;
  end_servers(find_servers());
  std::set<std::string> served;
  for (const Server& server : find_servers()) {
    if (server.owned) served.insert(server.module);
  }
  for (const std::string& module : modules) {
    if (served.contains(module)) continue;
    if (const int error = unload(module); error != 0)
      problems.push_back("cannot unload the left module " + module + ": " + std::strerror(error));
  }
  return problems;
}

}  // namespace ivtrace::tracers
