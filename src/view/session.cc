#include "view/session.h"

#include <chrono>

#include "patterns/finding_table.h"
#include "patterns/judge.h"

namespace ivtrace::view {

Session::Session(run::RunReader run, clock::HostClock clock, patterns::Library library, query::CacheUse cache)
    : run_(std::move(run)),
      clock_(std::move(clock)),
      library_(std::move(library)),
      cache_(cache),
      events_([this](query::StopFlag stop) {
        return query::Database::open(run_, clock_, stop, cache_, more_tables());
      }),
      rows_([this](query::StopFlag stop) -> Result<std::unique_ptr<query::Database>> {
        const timeline::Progress progress = timeline_->progress();
        if (!progress.done)
          return Error(ErrorCode::kBusy, "the run is still being read", "ask again in a moment");
        if (!progress.failure.empty()) return Error(ErrorCode::kIo, progress.failure);
        return query::Database::open(timeline_->rows(), clock_, stop, more_tables());
      }) {
  for (const patterns::PatternProblem& problem : library_.problems) notices_.insert(problem.text());
}

Result<std::unique_ptr<Session>> Session::open(run::RunReader run, clock::HostClock clock,
                                               patterns::Library library, query::CacheUse cache) {
  std::unique_ptr<Session> session(new Session(std::move(run), std::move(clock), std::move(library), cache));
  IVT_ASSIGN_OR_RETURN(session->timeline_, timeline::Timeline::open(session->run_, session->clock_, cache));
  Session* const opened = session.get();
  session->thread_ = std::thread([opened] { opened->diagnose_when_read(); });
  return session;
}

std::vector<std::unique_ptr<query::Table>> Session::more_tables() const {
  std::vector<std::unique_ptr<query::Table>> more;
  more.push_back(patterns::finding_table([this]() -> Result<std::vector<patterns::Finding>> {
    if (const auto known = diagnosis()) return known->findings;
    return Error(ErrorCode::kBusy, "the patterns are still being tried; none of them can ask for findings");
  }));
  return more;
}

Session::~Session() {
  end_.request();
  if (thread_.joinable()) thread_.join();
}

void Session::diagnose_when_read() {
  constexpr std::chrono::milliseconds kLookAgain{20};
  while (!timeline_->progress().done) {
    if (end_.requested()) return;
    std::this_thread::sleep_for(kLookAgain);
  }
  diagnose();
}

void Session::diagnose() {
  Result<patterns::Diagnosis> made =
      rows_.use(end_, [this](query::Database& database) -> Result<patterns::Diagnosis> {
        Result<patterns::Diagnosis> diagnosis = patterns::diagnose(database, library_.patterns);
        take_notices(database);
        return diagnosis;
      });
  const std::lock_guard lock(mutex_);
  if (!made) {
    // What has been read is there all the same.
    notices_.insert("the patterns could not be tried: " + made.error().to_string());
    diagnosis_ = std::make_shared<patterns::Diagnosis>();
    return;
  }
  for (const patterns::PatternProblem& problem : made->problems) notices_.insert(problem.text());
  diagnosis_ = std::make_shared<patterns::Diagnosis>(*std::move(made));
}

std::shared_ptr<const patterns::Diagnosis> Session::diagnosis() const {
  const std::lock_guard lock(mutex_);
  return diagnosis_;
}

Result<std::shared_ptr<const std::vector<Name>>> Session::names(StopSource& stop) {
  using Shared = std::shared_ptr<const std::vector<Name>>;
  return rows_.use(stop, [&](query::Database&) -> Result<Shared> {
    const auto known = [this] {
      const std::lock_guard lock(mutex_);
      return names_;
    };
    if (Shared there = known()) return there;
    IVT_ASSIGN_OR_RETURN(std::vector<Name> made, names_of(timeline_->rows(), tracks(), stop.flag()));
    const std::lock_guard lock(mutex_);
    names_ = std::make_shared<const std::vector<Name>>(std::move(made));
    return names_;
  });
}

std::vector<std::string> Session::notices() const {
  std::vector<std::string> lines;
  if (run_.damage_total() > 0)
    lines.push_back("a part of the run cannot be read, see ivtrace info: " + run_.damage()[0].file + ": " +
                    run_.damage()[0].reason);
  if (const std::string failure = timeline_->progress().failure; !failure.empty()) lines.push_back(failure);
  const std::vector<std::string> reading = timeline_->notices();
  const std::lock_guard lock(mutex_);
  std::set<std::string> known = notices_;  // the database repeats what the reading said
  known.insert(reading.begin(), reading.end());
  if (incomplete_)
    lines.emplace_back("events are missing in the run, see ivtrace info: where they are, nothing is told");
  lines.insert(lines.end(), known.begin(), known.end());
  return lines;
}

void Session::take_notices(const query::Database& database) {
  const std::lock_guard lock(mutex_);
  notices_.insert(database.notices().begin(), database.notices().end());
  incomplete_ = incomplete_ || database.incomplete();
}

bool Session::is_incomplete() const {
  const std::lock_guard lock(mutex_);
  return incomplete_ || run_.damage_total() > 0;
}

}  // namespace ivtrace::view
