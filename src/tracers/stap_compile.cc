#include "tracers/stap_compile.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <set>
#include <utility>

#include "base/fd.h"
#include "base/text.h"
#include "tracers/embedded.h"
#include "tracers/quiet_run.h"
#include "tracers/stap_cache.h"
#include "tracers/stap_kernel.h"
#include "tracers/stap_learning.h"

namespace ivtrace::tracers {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxScript = 16u << 20;
constexpr std::chrono::seconds kSilent{3};  // a compilation that takes longer is told of
constexpr std::chrono::milliseconds kTurnNap{100};

/// Begins to run only when all other probes are armed, as every timer does; then it is switched off.
constexpr const char* kArmed =
    "global ivtrace_told\n"
    "probe timer.ms(20) if (!ivtrace_told) { ivtrace_told = 1; println(\"ivtrace-armed\") }";

Error no_stap() {
  return Error(ErrorCode::kNotFound, "SystemTap is not installed on this machine: there is no program stap",
               "apt-get install systemtap, or bring what ivtrace compile made elsewhere");
}

/// One compilation. What does not change between its passes.
class Compilation {
 public:
  Compilation(const StapCompile& what, const StapCallbacks& callbacks) : what_(what), callbacks_(callbacks) {}

  /// stap itself, its version and the headers.
  Status find_tools();
  Result<StapModule> run();
  bool go_on();

 private:
  Status prepare();
  Result<QuietRun> pass(const char* number, const std::string& name, const fs::path& directory);
  Error failed(const QuietRun& run) const;
  std::string sum_of(const std::string& program) const;

  const StapCompile& what_;
  const StapCallbacks& callbacks_;
  fs::path cache_;
  fs::path script_;
  std::string version_;
  std::string tree_;
  std::vector<std::string> arguments_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  bool told_ = false;
};

bool Compilation::go_on() {
  if (!told_ && std::chrono::steady_clock::now() - begun_ > kSilent) {
    told_ = true;
    if (callbacks_.notice) {
      callbacks_.notice("SystemTap compiles " + what_.script + " for the kernel " + what_.release +
                        ": a kernel's first script can take ten minutes, later ones take seconds");
    }
  }
  return !callbacks_.give_up || !callbacks_.give_up();
}

Status Compilation::find_tools() {
  IVT_ASSIGN_OR_RETURN(cache_, stap_cache());
  const std::string stap = find_program("stap");
  if (stap.empty()) return no_stap();
  IVT_ASSIGN_OR_RETURN(const ScratchDirectory scratch, ScratchDirectory::make(cache_));
  IVT_ASSIGN_OR_RETURN(const QuietRun told,
                       run_quietly({stap, "--version"}, scratch.path(), [this] { return go_on(); }));
  version_ = stap_version_of(told.output + told.errors);
  IVT_RETURN_IF_ERROR(check_version(version_, what_.release));
  IVT_ASSIGN_OR_RETURN(tree_, build_tree(what_.options, what_.release));
  return {};
}

Status Compilation::prepare() {
  std::error_code error;
  script_ = fs::absolute(what_.script, error);
  if (::access(script_.c_str(), R_OK) != 0)
    return errno_error(errno, "cannot read the script " + what_.script);
  IVT_RETURN_IF_ERROR(find_tools());
  IVT_ASSIGN_OR_RETURN(arguments_, stap_arguments(what_));
  if (!has_option(what_.options, "-R")) {
    IVT_ASSIGN_OR_RETURN(const std::string runtime, fitting_runtime(tree_, version_, callbacks_.notice));
    if (!runtime.empty()) arguments_.insert(arguments_.end(), {"-R", runtime});
  }
  if (const std::string map = system_map_of(what_.kallsyms); !map.empty()) {
    IVT_ASSIGN_OR_RETURN(tree_, tree_with_symbols(tree_, what_.release, map));
  }
  return {};
}

/// -r comes last: of several, stap takes the last. Messages are wanted in the language that they are read in
/// here.
Result<QuietRun> Compilation::pass(const char* number, const std::string& name, const fs::path& directory) {
  std::vector<std::string> argv{"env", "LC_ALL=C", find_program("stap"), number, "-m", name};
  argv.insert(argv.end(), arguments_.begin(), arguments_.end());
  argv.insert(argv.end(), what_.options.begin(), what_.options.end());
  argv.insert(argv.end(), {"-r", tree_, script_.string()});
  return run_quietly(argv, directory.string(), [this] { return go_on(); });
}

Error Compilation::failed(const QuietRun& run) const {
  const std::string first = first_stap_error(run.errors);
  return Error(ErrorCode::kInvalid,
               "SystemTap " + version_ + " cannot compile " + what_.script + " for the kernel " +
                   what_.release + ": " +
                   (first.empty() ? "it ended with " + std::to_string(run.status) : first),
               "try it with: stap -p4 -r " + tree_ + " " + what_.script);
}

/// All that the module depends on: the translated program, which holds what stap found out of symbols and
/// binaries, what else the compiler is told, and which headers it reads.
std::string Compilation::sum_of(const std::string& program) const {
  std::string text = program + '\0' + version_ + '\0' + what_.release + '\0' + tree_;
  for (const std::string& argument : arguments_) text += '\0' + argument;
  for (const std::string& option : what_.options) text += '\0' + option;
  std::error_code error;
  const auto when = fs::last_write_time(fs::path(tree_) / ".config", error);
  if (!error) text += '\0' + std::to_string(when.time_since_epoch().count());
  return short_hash(text);
}

Result<StapModule> Compilation::run() {
  IVT_RETURN_IF_ERROR(prepare());
  IVT_ASSIGN_OR_RETURN(const ScratchDirectory scratch, ScratchDirectory::make(cache_));
  IVT_ASSIGN_OR_RETURN(StapLearning learning, StapLearning::begin(cache_));
  IVT_ASSIGN_OR_RETURN(const QuietRun translated,
                       pass("-p3", std::string(kStapModulePrefix) + "x", scratch.path()));
  if (translated.status < 128) learning.end();
  if (translated.status != 0) return failed(translated);
  StapModule module;
  module.name = std::string(kStapModulePrefix) + sum_of(translated.output);
  const fs::path kept = cache_ / (module.name + ".ko");
  module.path = kept.string();
  if (std::error_code error; fs::exists(kept, error)) return module;
  IVT_ASSIGN_OR_RETURN(const QuietRun compiled, pass("-p4", module.name, scratch.path()));
  if (compiled.status != 0) return failed(compiled);
  std::error_code error;
  fs::rename(scratch.path() / (module.name + ".ko"), kept, error);
  if (error) return Error(ErrorCode::kIo, "SystemTap left no module " + module.name + ": " + error.message());
  return module;
}

/// The right to compile for a kernel, held by one compilation at a time.
class Turn {
 public:
  /// Waits for it; kGone when `go_on` says no meanwhile.
  static Result<Turn> take(const std::string& release, const std::function<bool()>& go_on) {
    std::unique_lock lock(mutex_);
    while (!taken_.insert(release).second) {
      ended_.wait_for(lock, kTurnNap);
      lock.unlock();
      const bool wanted = go_on();
      lock.lock();
      if (!wanted) return Error(ErrorCode::kGone, "its compilation was given up before it began");
    }
    return Turn(release);
  }
  Turn(Turn&& other) noexcept : release_(std::exchange(other.release_, "")) {}
  Turn& operator=(Turn&&) = delete;
  ~Turn() {
    if (release_.empty()) return;
    {
      const std::lock_guard lock(mutex_);
      taken_.erase(release_);
    }
    ended_.notify_all();
  }

 private:
  explicit Turn(std::string release) : release_(std::move(release)) {}
  static inline std::mutex mutex_;  // guards taken_
  static inline std::condition_variable ended_;
  static inline std::set<std::string> taken_;
  std::string release_;
};

}  // namespace

Status can_compile_stap(const StapCompile& what, const StapCallbacks& callbacks) {
  return Compilation(what, callbacks).find_tools();
}

Result<StapModule> compile_stap(const StapCompile& what, const StapCallbacks& callbacks) {
  Compilation compilation(what, callbacks);
  IVT_ASSIGN_OR_RETURN(const Turn turn,
                       Turn::take(what.release, [&compilation] { return compilation.go_on(); }));
  return compilation.run();
}

Result<bool> wants_kallsyms(const StapCompile& what) {
  IVT_ASSIGN_OR_RETURN(const std::string script, read_file(what.script, kMaxScript));
  const auto names_kprobe = [](const std::string& text) { return text.find("kprobe.") != std::string::npos; };
  return names_kprobe(script) || std::any_of(what.options.begin(), what.options.end(), names_kprobe);
}

bool is_stap_module_name(std::string_view name) {
  if (!name.starts_with(kStapModulePrefix)) return false;
  name.remove_prefix(kStapModulePrefix.size());
  return name.size() == 16 && name.find_first_not_of("0123456789abcdef") == name.npos;
}

std::string stap_version_of(std::string_view text) {
  constexpr std::string_view kVersion = "version ";
  const std::size_t at = text.find(kVersion);
  if (at == text.npos) return "";
  text.remove_prefix(at + kVersion.size());
  return std::string(text.substr(0, std::min(text.find_first_not_of("0123456789."), text.size())));
}

Result<std::vector<std::string>> stap_arguments(const StapCompile& what) {
  IVT_ASSIGN_OR_RETURN(const fs::path cache, stap_cache());
  const fs::path tapset = cache / ("tapset-" + short_hash(embedded_tapset()));
  IVT_RETURN_IF_ERROR(make_once(tapset, [](const fs::path& made) {
    return replace_file((made / "ivtrace.stp").string(), embedded_tapset());
  }));
  std::vector<std::string> arguments{"-I", tapset.string(), "-E", kArmed};
  // A storm of events is what is recorded, not a mistake to be ended by SystemTap's watch on the time that
  // probes take.
  if (!has_option(what.options, "-DSTP_NO_OVERLOAD")) arguments.push_back("-DSTP_NO_OVERLOAD");
  return arguments;
}

}  // namespace ivtrace::tracers
