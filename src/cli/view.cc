#include <CLI/App.hpp>
#include <CLI/Validators.hpp>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <thread>

#include "cli/cache_option.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/pattern_choice.h"
#include "cli/run_choice.h"
#include "cli/run_info_load.h"
#include "cli/view_browser.h"
#include "cli/view_progress.h"
#include "cli/view_report.h"
#include "view/http_server.h"
#include "view/site.h"
#include "view/token.h"

namespace ivtrace::cli {
namespace {

struct ViewOptions {
  std::string run;
  std::uint16_t port = 0;
  bool no_browser = false;
  std::string html;
  bool force = false;
  PatternChoice choice;
  query::CacheUse cache = query::CacheUse::kIfPossible;
};

Result<std::unique_ptr<view::Session>> open_session(const ViewOptions& options) {
  IVT_ASSIGN_OR_RETURN(run::RunReader run, run::RunReader::open(options.run));
  IVT_ASSIGN_OR_RETURN(clock::HostClock clock, host_clock_of(run));
  IVT_ASSIGN_OR_RETURN(patterns::Library library, load_patterns(options.choice));
  return view::Session::open(std::move(run), std::move(clock), std::move(library), options.cache);
}

/// What a person on another machine has to do.
void tell_about_ssh(std::uint16_t port, Streams& streams) {
  if (std::getenv("SSH_CONNECTION") == nullptr) return;
  const std::string number = std::to_string(port);
  print_notice(streams, "over ssh: run ssh -L " + number + ":127.0.0.1:" + number +
                            " on your machine to this one, and open the address there");
}

/// The last words about the run, and the exit code they make.
ExitCode end_of_view(const view::Session& session, Streams& streams) {
  for (const std::string& notice : session.notices()) print_notice(streams, notice);
  if (!session.timeline().progress().failure.empty()) return ExitCode::kFailed;
  return session.is_incomplete() ? ExitCode::kLoss : ExitCode::kOk;
}

Result<ExitCode> serve(const ViewOptions& options, Streams& streams) {
  const InterruptFlag interrupt({SIGINT, SIGTERM});
  IVT_ASSIGN_OR_RETURN(const std::unique_ptr<view::HttpServer> server,
                       view::HttpServer::listen(options.port));
  IVT_ASSIGN_OR_RETURN(std::string token, view::make_token());
  IVT_ASSIGN_OR_RETURN(const std::unique_ptr<view::Session> session, open_session(options));
  view::Site site(*session, std::move(token), server->port());
  server->serve(site);
  streams.out << site.address() << "\n";
  streams.out.flush();
  tell_about_ssh(server->port(), streams);
  std::optional<BrowserStart> browser;
  if (!options.no_browser && has_desktop()) browser.emplace(site.address());
  print_notice(streams, "the page is served until Ctrl-C");
  {
    ViewProgress progress(*session, streams.err);
    while (!query::stopped(interrupt.flag())) {
      progress.show();
      progress.wait();
    }
  }
  server->end();
  return end_of_view(*session, streams);
}

Result<ExitCode> write_page(const ViewOptions& options, Streams& streams) {
  const InterruptFlag interrupt({SIGINT, SIGTERM});
  IVT_ASSIGN_OR_RETURN(Replacement place, Replacement::file(options.html, options.force));
  IVT_ASSIGN_OR_RETURN(const std::unique_ptr<view::Session> session, open_session(options));
  view::StopSource stop;
  // The signal's flag is not the work's: that one is also set in the middle of a query.
  std::atomic<bool> is_done{false};
  std::thread watch([&] {
    while (!is_done && !query::stopped(interrupt.flag())) ViewProgress::wait();
    if (!is_done) stop.request();
  });
  const Status written = write_report(*session, stop, place, streams);
  is_done = true;
  watch.join();
  if (!written) return written.error();
  return end_of_view(*session, streams);
}

}  // namespace

void add_view_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command =
      app.add_subcommand("view", "Shows host and guests on one time axis, in a browser");
  const auto options = std::make_shared<ViewOptions>();
  command->add_option("run", options->run, "The run directory")->required()->type_name("RUN");
  CLI::Option* const html =
      command->add_option("--html", options->html, "Write one file to attach to a ticket, and end")
          ->type_name("FILE");
  command->add_flag("--force", options->force, "Replace the file")->needs(html);
  command->add_option("--port", options->port, "Of 127.0.0.1; without it, or 0, a free one")
      ->type_name("N")
      ->check(CLI::Range(0, 65535).description(""))
      ->excludes(html);
  command->add_flag("--no-browser", options->no_browser, "Print the address only")->excludes(html);
  add_pattern_choice(*command, options->choice);
  add_cache_option(*command, options->cache);
  command->callback([options, &invocation] {
    invocation.run = [options](Streams& streams) {
      return exit_code_of(options->html.empty() ? serve(*options, streams) : write_page(*options, streams),
                          streams);
    };
  });
}

}  // namespace ivtrace::cli
