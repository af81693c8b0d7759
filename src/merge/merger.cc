#include "merge/merger.h"

#include <algorithm>
#include <utility>

namespace ivtrace::merge {

Merger::Merger(std::vector<EventStream*> streams)
    : streams_(std::move(streams)), loser_keys_(streams_.size(), kEnded), losers_(streams_.size(), 0) {
  if (!streams_.empty()) build();
}

inline void Merger::find_limit(std::uint64_t winner_key) {
  current_ = winner_key == kEnded ? nullptr : streams_[winner_];
  // The second best lost to the winner, so it stands on the winner's way up.
  std::uint64_t key = kEnded;
  std::size_t second = streams_.size();
  for (std::size_t node = (streams_.size() + winner_) / 2; node > 0; node /= 2) {
    const bool better = before(loser_keys_[node], losers_[node], key, second);
    key = better ? loser_keys_[node] : key;
    second = better ? losers_[node] : second;
  }
  // At equal times the earlier stream goes first. The winner precedes the second, so a later one cannot tie
  // at time 0.
  limit_ = winner_ < second ? key : key - 1;
}

void Merger::build() {
  const std::size_t count = streams_.size();
  std::vector<std::uint64_t> keys(2 * count, kEnded);
  std::vector<std::size_t> winners(2 * count);
  for (std::size_t i = 0; i < count; ++i) {
    winners[count + i] = i;
    if (streams_[i]->advance()) keys[count + i] = streams_[i]->time().value;
  }
  for (std::size_t node = count - 1; node > 0; --node) {
    const std::size_t left = 2 * node;
    const bool left_wins = before(keys[left], winners[left], keys[left + 1], winners[left + 1]);
    const std::size_t winner = left_wins ? left : left + 1;
    const std::size_t loser = left_wins ? left + 1 : left;
    keys[node] = keys[winner];
    winners[node] = winners[winner];
    loser_keys_[node] = keys[loser];
    losers_[node] = winners[loser];
  }
  winner_ = winners[1];
  find_limit(keys[1]);
}

inline void Merger::replay(std::uint64_t key) {
  std::size_t climber = winner_;
  for (std::size_t node = (streams_.size() + climber) / 2; node > 0; node /= 2) {
    const std::uint64_t loser_key = loser_keys_[node];
    const std::size_t loser = losers_[node];
    const bool passed = before(loser_key, loser, key, climber);
    loser_keys_[node] = passed ? key : loser_key;
    losers_[node] = passed ? climber : loser;
    key = passed ? loser_key : key;
    climber = passed ? loser : climber;
  }
  winner_ = climber;
  find_limit(key);
}

void Merger::describe(MergedEvent& event) const {
  event.stream = &current_->info();
  event.loss = current_->loss();
  event.aligned = current_->aligned();
  event.source = current_;
}

inline bool Merger::give(MergedEvent& event) const {
  event.time = current_->time();
  event.record = current_->record();
  event.id = decode::event_id(event.record);
  describe(event);
  return true;
}

bool Merger::start(MergedEvent& event) {
  if (current_ == nullptr) return false;
  running_ = true;
  return give(event);
}

bool Merger::turn(MergedEvent& event) {
  if (!current_->advance_slowly()) return change_winner(kEnded, event);
  const std::uint64_t key = current_->time().value;
  return key <= limit_ ? give(event) : change_winner(key, event);
}

bool Merger::change_winner(std::uint64_t key, MergedEvent& event) {
  replay(key);
  if (current_ != nullptr) return give(event);
  running_ = false;
  return false;
}

}  // namespace ivtrace::merge
