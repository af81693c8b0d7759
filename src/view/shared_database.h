// One database for the questions of many threads: one after the other, in the order in which they come.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <type_traits>

#include "query/database.h"
#include "view/stop_source.h"

namespace ivtrace::view {

/// Opens its database when it is first used. Any thread.
class SharedDatabase {
 public:
  static constexpr std::size_t kMostWaiting = 24;
  using Opener = std::function<Result<std::unique_ptr<query::Database>>(query::StopFlag stop)>;

  explicit SharedDatabase(Opener open) : open_(std::move(open)) {}
  SharedDatabase(const SharedDatabase&) = delete;
  SharedDatabase& operator=(const SharedDatabase&) = delete;

  /// `work` has the database to itself, and gives a Result. kTimeout when `stop` was asked for, also while it
  /// waits for its turn; kExhausted when too many wait; the opener's error.
  template <class Work>
  std::invoke_result_t<Work, query::Database&> use(StopSource& stop, Work work) {
    IVT_ASSIGN_OR_RETURN(const Turn turn, take_turn(stop));
    const StopSource::Also also(stop, stop_);
    IVT_ASSIGN_OR_RETURN(query::Database* const database, opened());
    return work(*database);
  }

 private:
  /// Gives the turn to the next one at its end.
  class Turn {
   public:
    explicit Turn(SharedDatabase& shared) : shared_(&shared) {}
    Turn(Turn&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (shared_ != nullptr) shared_->end_turn();
    }

   private:
    SharedDatabase* shared_;
  };
  Result<Turn> take_turn(const StopSource& stop);
  void end_turn();
  Result<query::Database*> opened();

  Opener open_;
  std::atomic<bool> stop_{false};  ///< the database's, for whoever has the turn
  std::unique_ptr<query::Database> database_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<std::uint64_t> line_;  ///< tickets, of whom the first has the turn
  std::uint64_t last_ticket_ = 0;
};

}  // namespace ivtrace::view
