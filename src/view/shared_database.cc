#include "view/shared_database.h"

#include <chrono>

namespace ivtrace::view {

Result<SharedDatabase::Turn> SharedDatabase::take_turn(const StopSource& stop) {
  // How long somebody who waits in vain may stay in the line; nobody else waits for that.
  constexpr std::chrono::milliseconds kLookAgain{50};
  std::unique_lock lock(mutex_);
  if (line_.size() > kMostWaiting)
    return Error(ErrorCode::kExhausted, "too many questions at once", "wait for the others' answers");
  const std::uint64_t ticket = ++last_ticket_;
  const auto place = line_.insert(line_.end(), ticket);
  while (line_.front() != ticket) {
    if (stop.requested()) {
      line_.erase(place);
      return query::interrupted_error();
    }
    changed_.wait_for(lock, kLookAgain);
  }
  return Turn(*this);
}

void SharedDatabase::end_turn() {
  const std::lock_guard lock(mutex_);
  line_.pop_front();
  changed_.notify_all();
}

Result<query::Database*> SharedDatabase::opened() {
  if (database_ == nullptr) {
    IVT_ASSIGN_OR_RETURN(database_, open_(&stop_));
  }
  return database_.get();
}

}  // namespace ivtrace::view
