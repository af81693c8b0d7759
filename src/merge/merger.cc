#include "merge/merger.h"

#include <algorithm>
#include <utility>

namespace ivtrace::merge {

Merger::Merger(std::vector<EventStream*> streams)
    : streams_(std::move(streams)), keys_(streams_.size(), kEnded), losers_(streams_.size(), 0) {
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    if (streams_[i]->advance()) keys_[i] = streams_[i]->time().value;
  }
  build();
}

void Merger::build() {
  const std::size_t count = streams_.size();
  if (count == 0) return;
  std::vector<std::size_t> winners(2 * count);
  for (std::size_t i = 0; i < count; ++i) winners[count + i] = i;
  for (std::size_t node = count - 1; node > 0; --node) {
    const std::size_t left = winners[2 * node];
    const std::size_t right = winners[2 * node + 1];
    const bool left_wins = before(left, right);
    winners[node] = left_wins ? left : right;
    losers_[node] = left_wins ? right : left;
  }
  winner_ = winners[1];
  find_limit();
}

void Merger::replay() {
  std::size_t climber = winner_;
  for (std::size_t node = (streams_.size() + winner_) / 2; node > 0; node /= 2) {
    if (before(losers_[node], climber)) std::swap(losers_[node], climber);
  }
  winner_ = climber;
  find_limit();
}

void Merger::find_limit() {
  // The second best lost to the winner, so it stands on the winner's way up.
  std::size_t second = winner_;
  for (std::size_t node = (streams_.size() + winner_) / 2; node > 0; node /= 2) {
    if (second == winner_ || before(losers_[node], second)) second = losers_[node];
  }
  if (second == winner_) {
    limit_ = kEnded;
    return;
  }
  // At equal times the earlier stream goes first. The winner precedes the second, so a later stream cannot
  // tie at time 0.
  limit_ = winner_ < second ? keys_[second] : keys_[second] - 1;
}

}  // namespace ivtrace::merge
