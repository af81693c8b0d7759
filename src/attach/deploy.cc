#include "attach/deploy.h"

#include <algorithm>
#include <thread>

#include "attach/agent_program.h"
#include "attach/deploy_scripts.h"
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

/// True when nothing of ours is left. A question that got no answer in time ended the connection.
bool clean_up(GuestAgent& agent, const hypervisor::Guest& guest) {
  if (const auto end = run(agent, kRemove, {})) return end->exit_code == 0;
  auto again = GuestAgent::open(guest);
  if (!again) return false;
  const auto end = run(*again, kRemove, {});
  return end && end->exit_code == 0;
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
    const bool clean = clean_up(agent, guest);
    if (error.hint.empty())
      error.hint = clean ? "nothing was left in the guest"
                         : result.directory + " is left in the guest: ivtrace attach --undeploy " +
                               guest.name + " removes it";
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
