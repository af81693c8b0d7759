// Goldens: each file of testdata/estimator*.txt has input lines, and below each what the estimator derived
// from it, indented. IVTRACE_UPDATE=1 writes the files anew; the diff is then to be read.
#include "clock/estimator.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "clock/clock_map.h"
#include "clock/relation.h"

namespace ivtrace::clock {
namespace {

std::string show(const Epoch& epoch) {
  std::ostringstream out;
  out << "epoch " << (epoch.cpu ? "cpu " + std::to_string(*epoch.cpu) : std::string("all")) << " from "
      << epoch.valid_from.value << " uncertain " << epoch.uncertain << " offset " << epoch.relation.offset
      << " ratio " << epoch.relation.ratio << "/2^" << epoch.relation.frac_bits << " error " << epoch.error
      << " by " << to_string(epoch.source);
  return out.str();
}

// seen GUEST NOT_BEFORE NOT_AFTER | burst CPU HOST LOWER UPPER | failed CPU HOST | exact SOURCE CPU|all
// OFFSET NOT_BEFORE NOT_AFTER | resumed HOST
std::string answer(Estimator& estimator, const std::string& line) {
  std::istringstream in(line);
  std::string what;
  in >> what;
  Outcome outcome;
  std::ostringstream out;
  if (what == "burst" || what == "failed") {
    Burst burst;
    in >> burst.cpu >> burst.host_tsc.value;
    if (what == "burst") {
      in >> burst.lower >> burst.upper;
      burst.exchanges = 1000;
      burst.tight_t1 = HostTsc(burst.host_tsc.value - 100);
      burst.tight_t2 = burst.host_tsc;
      burst.guest_tsc = GuestTsc(burst.host_tsc.value - 50 + static_cast<std::uint64_t>(burst.lower));
    }
    outcome = estimator.on_burst(burst);
    out << "  " << to_string(outcome.verdict) << "\n";
  } else if (what == "exact") {
    ExactRelation exact;
    std::string source;
    std::string cpu;
    in >> source >> cpu >> exact.relation.offset >> exact.not_before.value >> exact.not_after.value;
    exact.source = clock_source_of(source);
    if (cpu != "all") exact.cpu = static_cast<std::uint32_t>(std::stoul(cpu));
    outcome = estimator.on_exact(exact);
  } else if (what == "seen") {
    Sighting sighting;
    in >> sighting.guest.value >> sighting.not_before.value >> sighting.not_after.value;
    estimator.on_sighting(sighting);
  } else if (what == "resumed") {
    HostTsc seen;
    in >> seen.value;
    outcome = estimator.on_resumed(seen);
  } else {
    return {};
  }
  EXPECT_FALSE(in.fail()) << line;
  for (const Epoch& epoch : outcome.epochs) out << "  " << show(epoch) << "\n";
  for (const std::string& finding : outcome.findings) out << "  finding: " << finding << "\n";
  if (outcome.follow_up) out << "  wants a follow-up\n";
  if (outcome.read_exact) out << "  wants KVM read again\n";
  return out.str();
}

class EstimatorGolden : public testing::TestWithParam<std::string> {};

TEST_P(EstimatorGolden, DerivesTheEpochs) {
  const std::string path = "src/clock/testdata/" + GetParam() + ".txt";
  std::ifstream file(path);
  ASSERT_TRUE(file) << path;
  std::string expected;
  std::string derived;
  Estimator estimator;
  for (std::string line; std::getline(file, line);) {
    expected += line + "\n";
    if (line.starts_with("  ")) continue;
    derived += line + "\n";
    if (!line.empty() && line.front() != '#') derived += answer(estimator, line);
  }
  if (std::getenv("IVTRACE_UPDATE") != nullptr) {
    file.close();
    std::ofstream(path) << derived;
    return;
  }
  EXPECT_EQ(derived, expected);
}

INSTANTIATE_TEST_SUITE_P(Files, EstimatorGolden,
                         testing::Values("estimator_handshake", "estimator_exact", "estimator_cpus",
                                         "estimator_kvm_cpus", "estimator_sightings"),
                         [](const auto& param) { return param.param; });

/// A host and a guest whose TSCs are known, with the delays of a real handshake.
class Simulation {
 public:
  explicit Simulation(std::uint64_t seed, double speed = 1) : speed_(speed), random_(seed) {}

  std::uint64_t host = 1'000'000'000'000;

  GuestTsc guest_at(std::uint64_t h) const {
    const auto since = static_cast<double>(h - base_host_);
    return GuestTsc(base_guest_ + static_cast<std::uint64_t>(since * speed_));
  }
  void jump(std::int64_t ticks) {
    base_guest_ = guest_at(host).value + static_cast<std::uint64_t>(ticks);
    base_host_ = host;
  }
  void wait(std::uint64_t ticks) { host += ticks; }

  Burst burst(std::uint32_t cpu = 0) {
    Burst result;
    result.cpu = cpu;
    result.lower = INT64_MIN;
    result.upper = INT64_MAX;
    std::uint64_t narrowest = ~0ull;
    for (int i = 0; i < 200; ++i) {
      const std::uint64_t t1 = host;
      host += 100 + delay();
      const std::uint64_t guest = guest_at(host).value;
      host += 100 + delay();
      const std::uint64_t t2 = host;
      host += 50;
      result.lower = std::max(result.lower, static_cast<std::int64_t>(guest - t2));
      result.upper = std::min(result.upper, static_cast<std::int64_t>(guest - t1));
      if (t2 - t1 >= narrowest) continue;
      narrowest = t2 - t1;
      result.tight_t1 = HostTsc(t1);
      result.tight_t2 = HostTsc(t2);
      result.guest_tsc = GuestTsc(guest);
    }
    result.exchanges = 200;
    result.host_tsc = HostTsc(host);
    return result;
  }
  std::uint64_t random(std::uint64_t below) { return random_() % below; }

 private:
  std::uint64_t delay() {  // mostly short, sometimes a preemption
    const std::uint64_t kind = random_() % 100;
    return kind < 90 ? random_() % 300 : kind < 99 ? random_() % 20'000 : random_() % 5'000'000;
  }

  double speed_;
  std::uint64_t base_host_ = 999'000'000'000;
  std::uint64_t base_guest_ = 500'000'000'000;
  std::mt19937_64 random_;
};

/// A burst and the follow-ups that are asked for, as a recorder runs them.
void measure(Simulation& simulation, Estimator& estimator, std::vector<Epoch>& epochs) {
  for (bool again = true; again;) {
    const Outcome outcome = estimator.on_burst(simulation.burst());
    epochs.insert(epochs.end(), outcome.epochs.begin(), outcome.epochs.end());
    again = outcome.follow_up;
  }
}

GuestClock map_of(const std::vector<Epoch>& epochs) {
  GuestClock clock;
  for (const Epoch& epoch : epochs) EXPECT_TRUE(clock.add(epoch).ok());
  return clock;
}

struct Event {
  std::uint64_t host;
  GuestTsc guest;
};

constexpr std::uint64_t kSecondTicks = 2'500'000'000;

void expect_within_bounds(const std::vector<Event>& events, const GuestClock& clock) {
  GuestClock::Stream stream(clock, CpuId(0));
  for (const Event& event : events) {
    for (const auto& time : {clock.to_host(event.guest, CpuId(0)), stream.to_host(event.guest)}) {
      ASSERT_TRUE(time);
      const std::uint64_t off =
          time->tsc.value > event.host ? time->tsc.value - event.host : event.host - time->tsc.value;
      ASSERT_LE(off, time->error + 2)
          << "guest " << event.guest.value << (time->uncertain ? " uncertain" : "");
    }
  }
}

TEST(EstimatorProperty, JumpsNeverGiveAWrongTimeWithoutABoundThatCoversIt) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Simulation simulation(seed);
    Estimator estimator;
    std::vector<Epoch> epochs;
    std::vector<Event> events;
    measure(simulation, estimator, epochs);
    for (int second = 0; second < 30; ++second) {
      // One change between two bursts can be told from them; what held between two changes nobody could know.
      const std::uint64_t jump_at = simulation.random(150);
      for (std::uint64_t i = 0; i < 20; ++i) {
        simulation.wait(kSecondTicks / 20);
        events.push_back({simulation.host, simulation.guest_at(simulation.host)});
        if (i == jump_at)
          simulation.jump(static_cast<std::int64_t>(simulation.random(20'000'000'000)) - 10'000'000'000);
      }
      measure(simulation, estimator, epochs);
    }
    expect_within_bounds(events, map_of(epochs));
  }
}

TEST(EstimatorProperty, APauseThatIsNotAnsweredLeavesOnlyItsOwnTimeInDoubt) {
  Simulation simulation(3);
  Estimator estimator;
  std::vector<Epoch> epochs;
  std::vector<Event> events;
  measure(simulation, estimator, epochs);
  const auto run_on = [&] {
    for (int i = 0; i < 100; ++i) {
      simulation.wait(kSecondTicks / 100);
      events.push_back({simulation.host, simulation.guest_at(simulation.host)});
    }
    measure(simulation, estimator, epochs);
  };
  run_on();
  const GuestTsc paused_at = simulation.guest_at(simulation.host);
  simulation.wait(60 * kSecondTicks);
  simulation.jump(-60 * static_cast<std::int64_t>(kSecondTicks));
  Burst unanswered;
  unanswered.host_tsc = HostTsc(simulation.host);
  EXPECT_EQ(estimator.on_burst(unanswered).verdict, Verdict::kFailed);
  run_on();
  run_on();
  const GuestClock clock = map_of(epochs);
  expect_within_bounds(events, clock);
  EXPECT_EQ(clock.epoch_count(), 2u);
  EXPECT_FALSE(clock.to_host(GuestTsc(paused_at.value - kSecondTicks / 2), CpuId(0))->uncertain);
  EXPECT_FALSE(clock.to_host(GuestTsc(paused_at.value + 2 * kSecondTicks), CpuId(0))->uncertain);
}

TEST(EstimatorProperty, AQuietGuestIsOneEpochWithASmallError) {
  Simulation simulation(5);
  Estimator estimator;
  std::vector<Epoch> epochs;
  for (int second = 0; second < 100; ++second) {
    measure(simulation, estimator, epochs);
    simulation.wait(kSecondTicks);
  }
  const GuestClock clock = map_of(epochs);
  EXPECT_EQ(clock.epoch_count(), 1u);
  EXPECT_LE(*clock.worst_error(), 300u);
  EXPECT_EQ(estimator.anomalies(), 0u);
}

TEST(EstimatorProperty, AGuestOfAnotherSpeedIsFitted) {
  for (const double speed : {0.7, 1.0 + 1e-6, 1.0 - 3e-7, 1.25, 2.0}) {
    SCOPED_TRACE(speed);
    Simulation simulation(9, speed);
    Estimator estimator;
    std::vector<Epoch> epochs;
    std::vector<Event> late;
    for (int second = 0; second < 60; ++second) {
      measure(simulation, estimator, epochs);
      simulation.wait(kSecondTicks);
      if (second > 10) late.push_back({simulation.host, simulation.guest_at(simulation.host)});
    }
    const auto current = estimator.current(CpuId(0));
    ASSERT_TRUE(current);
    const double fitted = std::ldexp(static_cast<double>(current->relation.ratio),
                                     -static_cast<int>(current->relation.frac_bits));
    EXPECT_NEAR(fitted / speed, 1.0, 1e-7);
    expect_within_bounds(late, map_of(epochs));
  }
}

TEST(EstimatorProperty, AHostileGuestBreaksNothing) {
  std::mt19937_64 random(17);
  Estimator estimator;
  GuestClock clock;
  for (int i = 0; i < 20000; ++i) {
    Burst burst;
    burst.cpu = static_cast<std::uint32_t>(random() % 3 == 0 ? random() : random() % 2);
    burst.exchanges = random() % 4;
    burst.lower = static_cast<std::int64_t>(random() << (random() % 64));
    burst.upper = random() % 2 == 0 ? burst.lower : static_cast<std::int64_t>(random() >> (random() % 64));
    burst.guest_tsc = GuestTsc(random() >> (random() % 64));
    burst.tight_t1 = HostTsc(static_cast<std::uint64_t>(i) * 1000);
    burst.tight_t2 = HostTsc(burst.tight_t1.value + 100);
    burst.host_tsc = HostTsc(burst.tight_t2.value + 100);
    const Outcome outcome = estimator.on_burst(burst);
    EXPECT_LE(outcome.epochs.size(), 1u);
    for (const Epoch& epoch : outcome.epochs) EXPECT_TRUE(clock.add(epoch).ok());
    if (i % 64 == 0) {
      clock.to_host(GuestTsc(random()), CpuId(0));
      estimator.on_resumed(HostTsc(random()));
    }
  }
}

}  // namespace
}  // namespace ivtrace::clock
