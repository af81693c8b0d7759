#include "attach/deploy.h"

#include <algorithm>
#include <thread>

#include "attach/agent_program.h"
#include "base/sha256.h"
#include "base/text.h"
#include "hypervisor/guest_agent.h"
#include "ring/host_ring.h"

namespace ivtrace::attach {
namespace {

using hypervisor::GuestAgent;
using hypervisor::ProgramEnd;

constexpr Nanoseconds kScriptLimit{30'000'000'000};
/// Two looks at a heartbeat must be more than a second apart.
constexpr std::chrono::milliseconds kBeatWatch(1100);
constexpr std::size_t kMaxSaid = 600;

// The scripts run under /bin/sh of the guest, whichever it is: POSIX, and the programs of every system.

constexpr const char* kCommon = R"sh(
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
places="/run /usr/local/lib /var/lib /root"
name=ivtrace-deployed
)sh";

/// $1: bytes. Says the directory's path, or why no place will do.
constexpr const char* kPrepare = R"sh(
umask 077
why=
for place in $places; do
  dir=$place/$name
  rm -rf "$dir" 2>/dev/null
  mkdir "$dir" 2>/dev/null || { why="$why$place cannot be written to; "; continue; }
  printf '#!/bin/sh\nexit 0\n' >"$dir/probe" 2>/dev/null
  chmod 700 "$dir/probe"
  if ! "$dir/probe" 2>/dev/null; then
    rm -rf "$dir"; why="$why$place runs no programs (noexec) or is full; "; continue
  fi
  rm -f "$dir/probe"
  set -- "$1" $(df -Pk "$dir" 2>/dev/null | tail -n 1)
  case ${5:-x} in *[!0-9]*) set -- "$1" ;; esac  # it does not tell
  if [ $# -ge 5 ] && [ "$5" -lt $(($1 / 1024 + 1)) ]; then
    rm -rf "$dir"; why="$why$place has $5 KiB free; "; continue
  fi
  printf %s "$dir"
  exit 0
done
printf %s "$why"
exit 1
)sh";

/// $1: the directory.
constexpr const char* kChecksum = R"sh(sha256sum <"$1/ivtrace-agent")sh";

/// $1: the directory. The shell becomes the agent.
constexpr const char* kStart = R"sh(
chmod 700 "$1/ivtrace-agent"
echo $$ >"$1/pid"
cd /
exec "$1/ivtrace-agent" --foreground >"$1/log" 2>&1
)sh";

constexpr const char* kLog = R"sh(tail -c 500 "$1/log")sh";

/// Says what it removed. A process is ours when it runs the program in that directory.
constexpr const char* kRemove = R"sh(
for place in $places; do
  dir=$place/$name
  [ -d "$dir" ] && [ ! -L "$dir" ] || continue
  pid=$(cat "$dir/pid" 2>/dev/null)
  ours() { [ -n "$pid" ] && [ "$(readlink "/proc/$pid/exe")" = "$dir/ivtrace-agent" ]; }
  if ours; then
    kill "$pid"
    n=0
    while ours && [ $n -lt 10 ]; do sleep 1; n=$((n + 1)); done
    ! ours || kill -9 "$pid"
  fi
  rm -rf "$dir"
  [ ! -e "$dir" ] || { printf '%s cannot be removed' "$dir"; exit 1; }
  printf %s "$dir"
done
)sh";

std::string one_line(std::string text) {
  text = std::string(trim(text)).substr(0, kMaxSaid);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

Result<ProgramEnd> run(GuestAgent& agent, const char* script, const std::vector<std::string>& arguments) {
  return agent.run_script(std::string(kCommon) + script, arguments, kScriptLimit);
}

Result<std::string> prepare(GuestAgent& agent, const hypervisor::Guest& guest, std::uint64_t bytes) {
  IVT_ASSIGN_OR_RETURN(const ProgramEnd end, run(agent, kPrepare, {std::to_string(bytes)}));
  std::string said = one_line(end.output);
  if (end.exit_code == 0 && said.starts_with("/")) return said;
  while (said.ends_with(";")) said.pop_back();
  return Error(ErrorCode::kExhausted,
               guest.name + " has no place for " + format_size(bytes) + ": " + (said.empty() ? "?" : said),
               "nothing was left in the guest");
}

Status copy(GuestAgent& agent, const std::string& directory, const std::vector<std::byte>& program,
            const DeployOptions& options) {
  const auto progress = [&](std::uint64_t done) {
    if (options.progress) options.progress(done, program.size());
  };
  IVT_RETURN_IF_ERROR(agent.write_file(directory + "/ivtrace-agent", program, progress));
  IVT_ASSIGN_OR_RETURN(const ProgramEnd end, run(agent, kChecksum, {directory}));
  const std::string wanted = sha256_hex(program);
  if (end.exit_code == 0 && end.output.starts_with(wanted)) return {};
  return Error(ErrorCode::kCorrupt,
               "the copy in the guest is not what was sent: sha256sum there says " + one_line(end.output));
}

/// Whether the ring is served: two looks at it, apart.
bool serves(const std::string& ring_path) {
  const auto before = ring::peek_ring(ring_path);
  if (!before || !before->formatted) return false;
  std::this_thread::sleep_for(kBeatWatch);
  const auto after = ring::peek_ring(ring_path);
  return after && ring::agent_beat(*before, *after);
}

/// Until it serves the ring, or has ended.
Status wait_until_alive(GuestAgent& agent, const std::string& directory, std::int64_t process,
                        const std::string& ring_path, std::chrono::milliseconds limit) {
  const auto give_up = std::chrono::steady_clock::now() + limit;
  while (!serves(ring_path)) {
    IVT_ASSIGN_OR_RETURN(const std::optional<ProgramEnd> end, agent.end_of(process));
    const bool late = std::chrono::steady_clock::now() >= give_up;
    if (!end && !late) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      continue;
    }
    const auto log = run(agent, kLog, {directory});
    const std::string said = log ? one_line(log->output) : std::string();
    const std::string what =
        end ? "the agent ended in the guest (exit code " + std::to_string(end->exit_code) + ")"
            : "the agent runs in the guest, but does not serve the ring";
    return Error(end ? ErrorCode::kGone : ErrorCode::kTimeout, what + (said.empty() ? "" : ": " + said));
  }
  return {};
}

}  // namespace

Result<Deployed> deploy(const hypervisor::Guest& guest, const std::string& ring_path,
                        const DeployOptions& options) {
  IVT_ASSIGN_OR_RETURN(const std::string path, find_agent_program(options.agent));
  IVT_ASSIGN_OR_RETURN(const std::vector<std::byte> program, load_agent_program(path));
  IVT_ASSIGN_OR_RETURN(GuestAgent agent, GuestAgent::open(guest));
  // One that an earlier deploy left, and that serves nothing, makes room.
  IVT_ASSIGN_OR_RETURN(const ProgramEnd removed, run(agent, kRemove, {}));
  if (removed.exit_code != 0) return Error(ErrorCode::kIo, guest.name + ": " + one_line(removed.output));
  Deployed result;
  IVT_ASSIGN_OR_RETURN(result.directory, prepare(agent, guest, program.size()));
  const auto steps = [&]() -> Status {
    IVT_RETURN_IF_ERROR(copy(agent, result.directory, program, options));
    IVT_ASSIGN_OR_RETURN(result.process,
                         agent.start_script(std::string(kCommon) + kStart, {result.directory}));
    return wait_until_alive(agent, result.directory, result.process, ring_path, options.alive_wait);
  };
  if (const Status done = steps(); !done) {
    Error error = done.error();
    error.message = guest.name + ": " + error.message;
    const auto undone = run(agent, kRemove, {});
    const bool clean = undone && undone->exit_code == 0;
    if (error.hint.empty())
      error.hint = clean ? "nothing was left in the guest"
                         : result.directory + " is left in the guest: ivtrace attach --undeploy removes it";
    return error;
  }
  result.bytes = program.size();
  return result;
}

Result<Undeployed> undeploy(const hypervisor::Guest& guest) {
  IVT_ASSIGN_OR_RETURN(GuestAgent agent, GuestAgent::open(guest));
  IVT_ASSIGN_OR_RETURN(const ProgramEnd end, run(agent, kRemove, {}));
  const std::string said = one_line(end.output);
  if (end.exit_code != 0) return Error(ErrorCode::kIo, guest.name + ": " + said);
  return Undeployed{!said.empty(), said};
}

}  // namespace ivtrace::attach
