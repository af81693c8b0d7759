#include <sys/utsname.h>

#include <CLI/App.hpp>
#include <csignal>
#include <filesystem>
#include <memory>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/run_choice.h"
#include "tracers/stap_compile.h"

namespace ivtrace::cli {
namespace {

constexpr std::size_t kMaxSymbols = 64u << 20;
constexpr std::size_t kMaxModule = 64u << 20;

struct CompileOptions {
  std::string script;
  std::string kernel;    // empty: this machine's
  std::string kallsyms;  // path; empty: of this machine, if the kernel is its
  std::string output;    // empty: beside us, by the script's name
  std::vector<std::string> stap_options;
};

std::string own_release() {
  struct utsname name {};
  return ::uname(&name) == 0 ? name.release : "";
}

/// What compile_stap() asks for; the symbols only if the script needs them and they can be had.
Result<tracers::StapCompile> what_of(const CompileOptions& options, bool& lacks_symbols) {
  const std::string own = own_release();
  tracers::StapCompile what{
      options.script, options.kernel.empty() ? own : options.kernel, options.stap_options, {}};
  IVT_ASSIGN_OR_RETURN(const bool wants_symbols, tracers::wants_kallsyms(what));
  std::string path = options.kallsyms;
  if (path.empty() && what.release == own) path = "/proc/kallsyms";
  lacks_symbols = wants_symbols && path.empty();
  if (wants_symbols && !path.empty()) {
    IVT_ASSIGN_OR_RETURN(what.kallsyms, read_file(path, kMaxSymbols));
  }
  return what;
}

Result<ExitCode> compile(const CompileOptions& options, Streams& streams) {
  const InterruptFlag interrupt({SIGINT, SIGTERM, SIGHUP});
  bool lacks_symbols = false;
  IVT_ASSIGN_OR_RETURN(const tracers::StapCompile what, what_of(options, lacks_symbols));
  const std::atomic<bool>* const ended = interrupt.flag();
  auto module = tracers::compile_stap(what, {[&](const std::string& line) {
                                               print_notice(streams, line);
                                               streams.err.flush();
                                             },
                                             [ended] { return ended->load(); }});
  if (!module) {
    Error error = std::move(module).error();
    if (lacks_symbols && error.code == ErrorCode::kInvalid)
      error.hint = "kprobe.function() needs --kallsyms FILE, a copy of that machine's /proc/kallsyms";
    return error;
  }
  IVT_ASSIGN_OR_RETURN(const std::string bytes, read_file(module->path, kMaxModule));
  const std::string output =
      options.output.empty() ? std::filesystem::path(options.script).stem().string() + ".ko" : options.output;
  IVT_RETURN_IF_ERROR(replace_file(output, bytes));
  streams.out << output << ": the module " << module->name << " for the kernel " << what.release << "\n";
  return ExitCode::kOk;
}

}  // namespace

void add_compile_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command =
      app.add_subcommand("compile", "Makes a kernel module of a SystemTap script, to run it elsewhere");
  const auto options = std::make_shared<CompileOptions>();
  command->add_option("script", options->script, "The script")->required()->type_name("SCRIPT");
  command->add_option("--kernel", options->kernel, "For which kernel (default: this one's)")
      ->type_name("RELEASE");
  command->add_option("--kallsyms", options->kallsyms, "A copy of the other machine's /proc/kallsyms")
      ->type_name("FILE");
  command->add_option("--stap-opt", options->stap_options, "An option for stap; may be repeated")
      ->type_name("OPTION")
      ->allow_extra_args(false);
  command->add_option("-o,--output", options->output, "The file to make (default: the script's name and .ko)")
      ->type_name("FILE");
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) {
      return exit_code_of(compile(*options, streams), streams);
    };
  });
}

}  // namespace ivtrace::cli
