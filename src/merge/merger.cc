#include "merge/merger.h"

#include <algorithm>
#include <utility>

namespace ivtrace::merge {

Merger::Merger(std::vector<EventStream*> streams) : streams_(std::move(streams)), losers_(streams_.size()) {
  std::vector<Entry> entries(streams_.size());
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    entries[i] = {streams_[i]->advance() ? streams_[i]->time().value : kEnded, i};
  }
  if (!streams_.empty()) build(std::move(entries));
}

bool Merger::start(MergedEvent& event) {
  if (winner_.key == kEnded) return false;
  running_ = true;
  return give(event);
}

bool Merger::turn(MergedEvent& event) {
  if (!current_->advance_slowly()) return change_winner(kEnded, event);
  const std::uint64_t key = current_->time().value;
  return key <= limit_ ? give(event) : change_winner(key, event);
}

bool Merger::change_winner(std::uint64_t key, MergedEvent& event) {
  replay({key, winner_.stream});
  if (winner_.key != kEnded) return give(event);
  running_ = false;
  return false;
}

bool Merger::give(MergedEvent& event) const {
  event.time = current_->time();
  event.record = current_->record();
  event.id = decode::event_id(event.record);
  describe(event);
  return true;
}

void Merger::describe(MergedEvent& event) const {
  event.stream = &current_->info();
  event.loss = current_->loss();
  event.aligned = current_->aligned();
}

void Merger::build(std::vector<Entry> entries) {
  const std::size_t count = entries.size();
  std::vector<Entry> winners(count);
  winners.insert(winners.end(), entries.begin(), entries.end());
  for (std::size_t node = count - 1; node > 0; --node) {
    const Entry& left = winners[2 * node];
    const Entry& right = winners[2 * node + 1];
    const bool left_wins = left.before(right);
    winners[node] = left_wins ? left : right;
    losers_[node] = left_wins ? right : left;
  }
  enthrone(winners[1]);
}

void Merger::replay(Entry climber) {
  for (std::size_t node = (streams_.size() + climber.stream) / 2; node > 0; node /= 2) {
    if (losers_[node].before(climber)) std::swap(losers_[node], climber);
  }
  enthrone(climber);
}

void Merger::enthrone(Entry winner) {
  winner_ = winner;
  current_ = streams_[winner.stream];
  // The second best lost to the winner, so it stands on the winner's way up.
  Entry second{kEnded, streams_.size()};
  for (std::size_t node = (streams_.size() + winner.stream) / 2; node > 0; node /= 2) {
    if (losers_[node].before(second)) second = losers_[node];
  }
  // At equal times the earlier stream goes first. The winner precedes the second, so a later one cannot tie
  // at time 0.
  limit_ = winner.stream < second.stream ? second.key : second.key - 1;
}

}  // namespace ivtrace::merge
