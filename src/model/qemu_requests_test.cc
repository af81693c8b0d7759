// Property: whatever a QEMU does with its guest's requests, what is told of them is what happened.
#include "model/qemu_requests.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

namespace ivtrace::model {
namespace {

using Seen = QemuProbeEvents::Seen;
using Step = QemuProbeEvents::Step;

/// A guest with some disks and a QEMU that joins neighbours, uses addresses again at once, has other devices
/// that push too, and of which, if asked for, hits get lost, with or without a word.
class MadeQemu {
 public:
  enum class Losses { kNone, kTold, kSilent };
  MadeQemu(std::uint64_t seed, Losses losses) : random_(seed), losses_(losses) {}

  void run(std::size_t steps) {
    for (std::size_t i = 0; i < steps; ++i) {
      at_ = HostTsc(at_.value + 1 + random_() % 5);
      switch (random_() % 8) {
        case 0:
        case 1:
          issue();
          break;
        case 2:
          enter();
          break;
        case 3:
        case 4:
          push();
          break;
        case 5:
        case 6:
          complete();
          break;
        default:
          disturb();
      }
    }
  }
  std::size_t completed = 0;
  std::size_t told = 0;    ///< of those: pushed
  std::size_t joined = 0;  ///< of those: as a member behind the first

 private:
  static constexpr std::uint32_t kDevices = 3;
  struct Truth {
    std::uint64_t address = 0;
    bool later_member = false;
    QemuTimes times;
  };
  struct Entered {
    std::uint32_t device = 0;
    std::vector<std::uint64_t> members;
  };

  static std::uint64_t backend_of(std::uint32_t device) { return 0x1000 + device; }
  static std::uint64_t queue_of(std::uint32_t device) { return 0x2000 + device; }
  BlockRequest& request(std::uint64_t number) {
    return std::find_if(open_.begin(), open_.end(),
                        [&](const auto& one) { return one.second.number == number; })
        ->second;
  }
  std::uint64_t new_address() {
    if (free_.empty()) return 0x10000 + 0x100 * addresses_++;
    const std::uint64_t address = free_.back();
    free_.pop_back();
    return address;
  }
  bool loses() { return losses_ != Losses::kNone && random_() % 200 == 0; }
  void tell(const Seen& seen) { qemu_.look(seen, at_, open_); }

  void issue() {
    if (waiting_.size() > 40) return;
    BlockRequest made;
    made.number = ++count_;
    made.range.device = static_cast<std::uint32_t>(random_() % kDevices);
    // The same places on all disks, and often the one behind the last.
    std::uint64_t& next = next_[made.range.device];
    if (random_() % 3 == 0) next = 64 * (random_() % 64);
    made.range.first = next;
    made.range.count = 8 * (1 + random_() % 2);
    next += made.range.count;
    made.direction = random_() % 2 == 0 ? IoDirection::kRead : IoDirection::kWrite;
    made.issued = at_;
    waiting_.push_back(made.number);
    open_.emplace(std::pair(made.range.device, made.range.first), made);
  }
  /// The oldest that wait, as far as they follow each other.
  void enter() {
    if (waiting_.empty()) return;
    Entered entered;
    const BlockRequest& first = request(waiting_.front());
    entered.device = first.range.device;
    std::uint64_t end = first.range.first;
    for (auto next = waiting_.begin(); next != waiting_.end() && entered.members.size() < 4;) {
      const BlockRequest& one = request(*next);
      if (one.range.device != first.range.device || one.direction != first.direction ||
          one.range.first != end)
        break;
      end = one.range.end();
      entered.members.push_back(*next);
      Truth& truth = truths_[*next];
      truth.address = new_address();
      truth.later_member = entered.members.size() > 1;
      truth.times.entered = at_;
      next = waiting_.erase(next);
    }
    Seen seen;
    seen.step = Step::kEnter;
    seen.direction = first.direction;
    seen.thread = thread_of(entered.device);
    seen.request = truths_[entered.members.front()].address;
    seen.backend = backend_of(entered.device);
    seen.offset = first.range.first * kSectorBytes;
    seen.bytes = (end - first.range.first) * kSectorBytes;
    if (!is_lost()) tell(seen);
    in_qemu_.push_back(entered);
  }
  void push() {
    if (in_qemu_.empty()) return;
    const std::size_t which = random_() % in_qemu_.size();
    const Entered done = in_qemu_[which];
    in_qemu_.erase(in_qemu_.begin() + static_cast<std::ptrdiff_t>(which));
    const bool lost = is_lost();  // all of its pushes
    for (const std::uint64_t number : done.members) {
      at_ = HostTsc(at_.value + 1);
      Truth& truth = truths_[number];
      truth.times.pushed = at_;
      free_.push_back(truth.address);
      Seen seen;
      seen.step = Step::kPush;
      seen.thread = thread_of(done.device);
      seen.request = truth.address;
      seen.queue = queue_of(done.device);
      const BlockRequest& guest = request(number);
      seen.bytes = guest.direction == IoDirection::kRead ? guest.range.count * kSectorBytes + 1 : 1;
      if (!lost) tell(seen);
      pushed_.push_back(number);
      if (random_() % 2 == 0) notify(done.device);
    }
  }
  void notify(std::uint32_t device) {
    at_ = HostTsc(at_.value + 1);
    for (const std::uint64_t number : pushed_) {
      Truth& truth = truths_[number];
      if (request(number).range.device == device && !truth.times.notified) truth.times.notified = at_;
    }
    Seen seen;
    seen.step = Step::kNotify;
    seen.queue = queue_of(device);
    tell(seen);
  }
  void complete() {
    if (pushed_.empty()) return;
    const std::size_t which = random_() % pushed_.size();
    const std::uint64_t number = pushed_[which];
    pushed_.erase(pushed_.begin() + static_cast<std::ptrdiff_t>(which));
    const Truth truth = truths_[number];
    ++completed;
    if (const QemuTimes* const times = qemu_.find(number)) {
      EXPECT_EQ(times->entered, truth.times.entered);
      if (times->pushed) {
        EXPECT_EQ(times->pushed, truth.times.pushed);
        EXPECT_EQ(times->notified, truth.times.notified);
        ++told;
        joined += truth.later_member;
      }
    }
    EXPECT_FALSE(qemu_.has_all() && qemu_.has(number) && losses_ == Losses::kNone);
    qemu_.end(number);
    std::erase_if(open_, [&](const auto& one) { return one.second.number == number; });
    truths_.erase(number);
  }
  /// A network device's push: its own address, its own thread and queue.
  void disturb() {
    Seen seen;
    seen.step = Step::kPush;
    seen.thread = 99;
    seen.request = 0x900000;
    seen.queue = 0x9000;
    seen.bytes = 1;
    tell(seen);
    if (random_() % 4 == 0) notify(static_cast<std::uint32_t>(random_() % kDevices));
  }
  static std::int32_t thread_of(std::uint32_t device) { return device == 0 ? 10 : 11; }
  bool is_lost() {
    if (!loses()) return false;
    if (losses_ == Losses::kTold) qemu_.forget();
    return true;
  }

  std::mt19937_64 random_;
  Losses losses_;
  QemuRequests qemu_;
  HostTsc at_{1000};
  BlockRequests::Open open_;
  std::map<std::uint64_t, Truth> truths_;
  std::map<std::uint32_t, std::uint64_t> next_;
  std::vector<std::uint64_t> waiting_;  ///< issued, not entered
  std::vector<Entered> in_qemu_;
  std::vector<std::uint64_t> pushed_;  ///< not completed
  std::vector<std::uint64_t> free_;
  std::uint64_t addresses_ = 0;
  std::uint64_t count_ = 0;
};

TEST(QemuRequests, WhatIsToldIsWhatHappened) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    MadeQemu made(seed, MadeQemu::Losses::kNone);
    made.run(4000);
    EXPECT_GT(made.completed, 300u);
    // Requests for the same bytes, and those that two disks have before they are known, are not told apart.
    EXPECT_GT(made.told, made.completed * 9 / 10) << "seed " << seed;
    EXPECT_GT(made.joined, 0u);
    if (HasFailure()) FAIL() << "seed " << seed;
  }
}

TEST(QemuRequests, WhatIsToldIsWhatHappenedAlsoWhereHitsAreMissing) {
  for (const auto losses : {MadeQemu::Losses::kTold, MadeQemu::Losses::kSilent}) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
      MadeQemu made(seed, losses);
      made.run(4000);
      EXPECT_GT(made.told, made.completed / 2) << "seed " << seed;
      if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
    }
  }
}

TEST(QemuRequests, WhatIsMadeUpIsBounded) {
  QemuRequests qemu;
  Seen seen;
  seen.step = Step::kEnter;
  seen.direction = IoDirection::kRead;
  seen.bytes = 4096;
  for (std::uint64_t i = 0; i < 3 * QemuRequests::kMaxOpen; ++i) {
    seen.request = seen.backend = i;
    qemu.look(seen, HostTsc(i), {});
    EXPECT_FALSE(qemu.has_all());
  }
}

}  // namespace
}  // namespace ivtrace::model
