#include "tracers/own_compiler.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <atomic>

#include "base/fd.h"
#include "tracers/quiet_run.h"
#include "tracers/stap_cache.h"
#include "tracers/stap_compile.h"

namespace ivtrace::tracers {
namespace {

constexpr std::size_t kMaxScript = 1u << 20;
constexpr std::size_t kMaxSymbols = 64u << 20;
constexpr int kLowestPriority = 19;

std::string running_release() {
  struct utsname name {};
  return ::uname(&name) == 0 ? name.release : "";
}

Result<StapModule> compile_here(const std::string& script, const std::vector<std::string>& options,
                                const StapCallbacks& callbacks) {
  StapCompile what{script, running_release(), options, {}};
  IVT_ASSIGN_OR_RETURN(const bool symbols, wants_kallsyms(what));
  if (symbols) {
    IVT_ASSIGN_OR_RETURN(what.kallsyms, read_file("/proc/kallsyms", kMaxSymbols));
  }
  return compile_stap(what, callbacks);
}

/// What tells two compilations apart; empty when the script cannot be read.
std::string sum_of(const std::string& script, const std::vector<std::string>& options) {
  const auto text = read_file(script, kMaxScript);
  if (!text) return "";
  std::string all = *text;
  for (const std::string& option : options) all += '\0' + option;
  return short_hash(all);
}

}  // namespace

struct OwnCompiler::Job {
  std::string script;
  std::vector<std::string> options;
  std::string sum;
  std::atomic<bool> given_up{false};
  // Guarded by the compiler's mutex.
  format::TracerState state;
  std::string module;
};

OwnCompiler::~OwnCompiler() {
  stop();
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (worker_.joinable()) worker_.join();
}

Status OwnCompiler::compile(std::uint32_t id, const std::string& script,
                            const std::vector<std::string>& options) {
  if (find_program("stap").empty()) {
    return Error(ErrorCode::kNotFound, "there is no program stap on this machine",
                 "apt-get install systemtap there");
  }
  const std::string sum = sum_of(script, options);
  const std::lock_guard lock(mutex_);
  if (const auto known = jobs_.find(id); known != jobs_.end()) {
    const bool good = known->second->state.state != "failed" && !known->second->given_up;
    if (good && !sum.empty() && known->second->sum == sum) return {};
    known->second->given_up = true;
  }
  auto job = std::make_shared<Job>();
  job->script = script;
  job->options = options;
  job->sum = sum;
  job->state.tracer = id;
  job->state.state = "compiling";
  jobs_[id] = job;
  waiting_.push_back(std::move(job));
  if (!worker_.joinable()) worker_ = std::thread([this] { work(); });
  changed_.notify_all();
  return {};
}

std::vector<format::TracerState> OwnCompiler::states() {
  const std::lock_guard lock(mutex_);
  std::vector<format::TracerState> states;
  for (const auto& [id, job] : jobs_) states.push_back(job->state);
  return states;
}

Result<std::string> OwnCompiler::module(std::uint32_t id) {
  const std::lock_guard lock(mutex_);
  const auto job = jobs_.find(id);
  if (job == jobs_.end() || job->second->module.empty())
    return Error(ErrorCode::kInvalid, "the tracer's script is not compiled");
  return job->second->module;
}

void OwnCompiler::stop() {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, job] : jobs_) {
    if (job->state.state == "compiling") job->given_up = true;
  }
}

// stap and the compiler inherit the priority. The kernel keeps it for each thread.
void OwnCompiler::work() {
  static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kLowestPriority));
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (ending_) return;
    const std::shared_ptr<Job> job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    StapCallbacks callbacks;
    callbacks.notice = [&](const std::string& line) {
      const std::lock_guard told(mutex_);
      job->state.message = line;
    };
    const auto until = std::chrono::steady_clock::now() + kOwnCompileLimit;
    callbacks.give_up = [&job, until] { return job->given_up || std::chrono::steady_clock::now() > until; };
    const auto module = compile_here(job->script, job->options, callbacks);
    lock.lock();
    job->state.state = module ? "compiled" : "failed";
    job->state.message = module ? "" : module.error().message;
    job->state.hint = module ? "" : module.error().hint;
    if (module) job->module = module->path;
  }
}

}  // namespace ivtrace::tracers
