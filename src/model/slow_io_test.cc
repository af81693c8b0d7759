#include "model/slow_io.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <string>

namespace ivtrace::model {
namespace {

// Ticks are nanoseconds.
constexpr std::uint64_t kStart = 2'000'000;
constexpr std::uint64_t kUs = 1000;
constexpr std::uint64_t kMs = 1000 * kUs;
constexpr std::uint64_t kSecond = 1000 * kMs;
constexpr std::size_t kVm1 = 1;
constexpr std::size_t kVm2 = 2;
constexpr std::uint32_t kHostDevice = 254u << 20;

/// A request by what each part took; the phases of a part are one.
struct Spec {
  std::uint64_t guest = 10 * kUs;
  std::uint64_t handover = 20 * kUs;
  std::uint64_t host = 100 * kUs;
  std::uint64_t back = 20 * kUs;
  double own = 1;            ///< requests of vm1's with the device meanwhile, this one too
  double others = 0;         ///< of vm2's, of 64 KiB
  std::uint64_t served = 1;  ///< what the device finished meanwhile
  std::uint32_t sectors = 8;
  IoTie tie = IoTie::kAddress;
  std::uint32_t device = 253u << 20;
  std::size_t machine = kVm1;

  std::uint64_t total() const { return guest + handover + host + back; }
};

IoRequest request_of(const Spec& spec, std::uint64_t end) {
  IoRequest request;
  request.machine = spec.machine;
  request.disk = 0;
  request.tie = spec.tie;
  request.guest.range = {spec.device, 100, spec.sectors};
  request.guest.direction = IoDirection::kRead;
  std::uint64_t at = kStart + end - spec.total();
  request.guest.queued = HostTsc(at);
  request.guest.issued = HostTsc(at += spec.guest);
  request.guest.completed = HostTsc(kStart + end);
  if (spec.tie != IoTie::kAddress) return request;
  request.host_requests = 1;
  request.host_device = kHostDevice;
  request.host_queued = request.host_issued = HostTsc(at += spec.handover);
  request.host_completed = HostTsc(at + spec.host);
  const auto load = [&](std::size_t machine, double depth, double bytes) {
    if (depth == 0) return;
    const double ticks = depth * static_cast<double>(spec.host);
    request.load.owners[{static_cast<std::int32_t>(machine), "", IoDirection::kRead}] = {ticks,
                                                                                         ticks * bytes};
  };
  load(kVm1, spec.own, spec.sectors * 512.0);
  load(kVm2, spec.others, 65536);
  request.load.requests = spec.served;
  request.load.bytes = spec.served * 4096;
  return request;
}

/// A run in which requests complete one after the other.
class MadeSeries {
 public:
  /// One each `every`, until `seconds` have gone by.
  void go(double seconds, std::uint64_t every, const std::function<Spec()>& make) {
    const std::uint64_t until = now_ + static_cast<std::uint64_t>(seconds * 1e9);
    for (; now_ < until; now_ += every) finder_.take(request_of(make(), now_), ++number_);
  }
  void go(double seconds, std::uint64_t every, const Spec& spec) {
    go(seconds, every, [&] { return spec; });
  }
  void take(const Spec& spec, std::uint64_t end) { finder_.take(request_of(spec, end), ++number_); }
  std::uint64_t last_number() const { return number_; }
  std::vector<SlowIo> find() { return finder_.find(); }

 private:
  SlowIoFinder finder_{HostTsc(kStart), 1e9};
  std::uint64_t now_ = kSecond;  // nothing begins before the run
  std::uint64_t number_ = 0;
};

double seconds(HostTsc at) { return static_cast<double>(at.value - kStart) / 1e9; }
/// Per request, in microseconds.
double added(const SlowIo& slow, IoPart part) {
  return slow.added[static_cast<std::size_t>(part)] / static_cast<double>(slow.requests) / 1e3;
}

const Spec kContended{.host = 2 * kMs, .others = 4, .served = 20};

TEST(SlowIo, AStretchSaysSinceWhenHowMuchAndWhereTheTimeWent) {
  MadeSeries made;
  made.go(3, 5 * kMs, Spec{});
  made.go(1, 5 * kMs, kContended);
  Spec slowest = kContended;
  slowest.host = 5 * kMs;
  made.go(0.005, 5 * kMs, slowest);
  const std::uint64_t number = made.last_number();
  made.go(2, 5 * kMs, kContended);
  made.go(1, 5 * kMs, Spec{});
  const std::vector<SlowIo> found = made.find();
  ASSERT_EQ(found.size(), 1u);
  const SlowIo& slow = found.front();
  EXPECT_EQ(slow.machine, kVm1);
  EXPECT_EQ(slow.disk, std::optional<std::size_t>(0));
  EXPECT_EQ(slow.direction, IoDirection::kRead);
  EXPECT_NEAR(seconds(slow.from), 4, 0.11);
  EXPECT_NEAR(seconds(slow.until), 7, 0.11);
  EXPECT_NEAR(static_cast<double>(slow.requests), 601, 20);
  EXPECT_EQ(slow.bytes, slow.requests * 4096);
  EXPECT_EQ(slow.baseline, IoBaseline::kAlone);
  const auto count = static_cast<double>(slow.requests);
  EXPECT_NEAR(slow.expected / count / 1e3, 150, 5);
  EXPECT_NEAR(slow.total / count / 1e3, 2050, 60);
  EXPECT_NEAR(added(slow, IoPart::kHost), 1900, 60);
  for (const IoPart part : {IoPart::kGuest, IoPart::kHandover, IoPart::kBack, IoPart::kUnattributed})
    EXPECT_NEAR(added(slow, part), 0, 2) << static_cast<int>(part);
  EXPECT_EQ(slow.host_device, kHostDevice);
  EXPECT_EQ(slow.slowest, number);
  // Requests of vm2's were four times as many as the one that waited.
  ASSERT_EQ(slow.work.owners.size(), 2u);
  EXPECT_NEAR(
      slow.work.owners.rbegin()->second.request_ticks / slow.work.owners.begin()->second.request_ticks, 4,
      0.2);
}

TEST(SlowIo, APartThatGrowsIsSlowThoughTheWholeIsNotTwice) {
  MadeSeries made;
  Spec spec{.guest = 0, .handover = 20 * kUs, .host = 300 * kUs, .back = 20 * kUs};
  made.go(3, 5 * kMs, spec);
  spec.back += 200 * kUs;
  made.go(3, 5 * kMs, spec);
  const std::vector<SlowIo> found = made.find();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NEAR(added(found[0], IoPart::kBack), 200, 10);
  EXPECT_NEAR(added(found[0], IoPart::kHost), 0, 10);
}

TEST(SlowIo, AFewSlowRequestsAreNoStretchButAVeryLongOneIs) {
  MadeSeries made;
  made.go(3, 5 * kMs, Spec{});
  made.go(0.2, 5 * kMs, kContended);
  made.go(3, 5 * kMs, Spec{});
  EXPECT_TRUE(made.find().empty());
  made.go(0.001, 5 * kMs, Spec{.host = 900 * kMs});
  const std::vector<SlowIo> found = made.find();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].slowest, made.last_number());
}

TEST(SlowIo, SlowSoftwareIsSeenThoughItWasSlowFromTheBeginning) {
  MadeSeries made;
  made.go(5, 20 * kMs, Spec{.handover = 10 * kMs});
  const std::vector<SlowIo> found = made.find();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].baseline, IoBaseline::kAlone);
  EXPECT_NEAR(added(found[0], IoPart::kHandover), 9500, 400);  // half a millisecond is what software may need
  EXPECT_NEAR(added(found[0], IoPart::kHost), 0, 5);
}

TEST(SlowIo, WithoutRequestsThatWereAloneTheDevicesServiceIsTheBaseline) {
  MadeSeries made;
  made.go(5, 5 * kMs, Spec{.host = 4 * kMs, .others = 16, .served = 20});
  const std::vector<SlowIo> found = made.find();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].baseline, IoBaseline::kService);
  EXPECT_NEAR(added(found[0], IoPart::kHost), 4000 - 200, 20);
  // As much with others, but the device needs all of that for the one request: nobody waits.
  MadeSeries steady;
  steady.go(5, 5 * kMs, Spec{.host = 4 * kMs, .others = 16, .served = 1});
  EXPECT_TRUE(steady.find().empty());
}

TEST(SlowIo, ADeviceThatBecomesSlowCostsMoreContentionDoesNot) {
  MadeSeries slow_device;
  slow_device.go(3, 5 * kMs, Spec{});
  slow_device.go(3, 5 * kMs, Spec{.host = 1 * kMs});
  ASSERT_EQ(slow_device.find().size(), 1u);
  EXPECT_GT(slow_device.find()[0].device_cost, 5);
  MadeSeries contention;
  contention.go(3, 5 * kMs, Spec{});
  contention.go(3, 5 * kMs, kContended);
  ASSERT_EQ(contention.find().size(), 1u);
  EXPECT_LT(contention.find()[0].device_cost, 2.5);
  EXPECT_GT(contention.find()[0].device_cost, 0);
}

TEST(SlowIo, ReadsThatThePageCacheServesTellNothingOfTheDevice) {
  MadeSeries made;
  int turn = 0;
  const auto mixed = [&turn](const Spec& other) {
    const Spec cached{.handover = 0, .host = 0, .tie = IoTie::kNoHostIo};
    return [&turn, cached, other] { return ++turn % 2 == 0 ? cached : other; };
  };
  made.go(3, 5 * kMs, mixed(Spec{}));
  made.go(3, 5 * kMs, mixed(kContended));
  ASSERT_EQ(made.find().size(), 1u);
  EXPECT_LT(made.find()[0].device_cost, 2.5);
}

TEST(SlowIo, WhereTheCauseChangesAStretchIsCut) {
  MadeSeries made;
  made.go(3, 5 * kMs, Spec{});
  made.go(3, 5 * kMs, Spec{.handover = 3 * kMs});
  made.go(3, 5 * kMs, kContended);
  const std::vector<SlowIo> found = made.find();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_NEAR(seconds(found[0].until), 7, 0.11);
  EXPECT_NEAR(seconds(found[1].from), 7, 0.11);
  EXPECT_GT(added(found[0], IoPart::kHandover), 2700);
  EXPECT_LT(added(found[0], IoPart::kHost), 100);
  EXPECT_GT(added(found[1], IoPart::kHost), 1800);
  EXPECT_LT(added(found[1], IoPart::kHandover), 100);
}

TEST(SlowIo, RequestsInDoubtAreLeftOut) {
  MadeSeries made;
  made.go(3, 5 * kMs, Spec{});
  made.go(3, 5 * kMs, Spec{.host = 50 * kMs, .tie = IoTie::kLost});
  EXPECT_TRUE(made.find().empty());
}

// Property: what does not change is not slow, however much of a tail it has.

class SteadySeries : public ::testing::TestWithParam<const char*> {
 protected:
  /// In units of the usual.
  double draw() {
    const double u = std::uniform_real_distribution<double>(0, 1)(random_);
    const std::string kind = GetParam();
    if (kind == "uniform") return 0.5 + u;
    if (kind == "exponential") return -std::log(1 - u);
    if (kind == "lognormal") return std::lognormal_distribution<double>(0, 1)(random_);
    if (kind == "cache") return u < 0.4 ? 0.1 : 1.5;
    return std::min(std::pow(1 - u, -0.5), 300.0);  // pareto
  }
  std::mt19937_64 random_;
};

TEST_P(SteadySeries, HasNoStretch) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    random_.seed(seed);
    MadeSeries made;
    const std::uint64_t usual = (20 + random_() % 400) * kUs;
    const std::uint64_t every = (1 + random_() % 20) * kMs;
    made.go(10, every, [&] {
      Spec spec;
      spec.host = static_cast<std::uint64_t>(draw() * static_cast<double>(usual));
      spec.sectors = random_() % 3 == 0 ? 64 : 8;
      return spec;
    });
    const std::vector<SlowIo> found = made.find();
    EXPECT_TRUE(found.empty()) << "seed " << seed << ", one each " << every / kMs << " ms: " << found.size()
                               << " stretches, the first " << found[0].requests << " requests, "
                               << found[0].total / found[0].expected << " times";
  }
}
INSTANTIATE_TEST_SUITE_P(Tails, SteadySeries,
                         ::testing::Values("uniform", "exponential", "lognormal", "cache", "pareto"),
                         [](const auto& info) { return std::string(info.param); });

// What a guest may claim.

TEST(SlowIo, DevicesWithoutEndAreNotFollowedAndCostNoOtherGuestAnything) {
  MadeSeries made;
  const auto add = [&made](std::uint32_t device, std::size_t machine) {
    for (std::uint64_t i = 0; i < 30; ++i)
      made.take(Spec{.host = 700 * kMs, .device = device, .machine = machine}, 2 * kSecond + i * 100 * kMs);
  };
  for (std::uint32_t device = 0; device < 4 * SlowIoFinder::kMaxSeries; ++device) add(device, kVm1);
  add(7, kVm2);
  const std::vector<SlowIo> found = made.find();
  EXPECT_EQ(found.size(), SlowIoFinder::kMaxSeries + 1);
  EXPECT_EQ(found.back().machine, kVm2);
}

TEST(SlowIo, AnySizesAndTimesAreTaken) {
  SlowIoFinder finder(HostTsc(kStart), 1e9);
  std::mt19937_64 random(1);
  const std::uint64_t kTimes[] = {
      0, 1, kStart, kStart + kSecond, 1ull << 62, std::numeric_limits<std::uint64_t>::max()};
  const auto time = [&] { return HostTsc(kTimes[random() % std::size(kTimes)] + random() % 2); };
  const std::uint32_t kSizes[] = {0, 1, 8, 1u << 20, std::numeric_limits<std::uint32_t>::max()};
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    IoRequest request;
    request.machine = random() % 3;
    request.guest.range = {static_cast<std::uint32_t>(random() % 3), random(),
                           kSizes[random() % std::size(kSizes)]};
    request.guest.direction = static_cast<IoDirection>(random() % 5);
    request.guest.issued = time();
    if (random() % 2 == 0) request.guest.queued = time();
    if (random() % 2 == 0) request.guest.completed = time();
    request.tie = static_cast<IoTie>(random() % 4);
    request.host_device = static_cast<std::uint32_t>(random() % 3);
    request.host_queued = time();
    request.host_issued = time();
    request.host_completed = time();
    request.load.requests = random() % 3;
    request.load.owners[{static_cast<std::int32_t>(random() % 3), "", IoDirection::kRead}] = {1e30, 1e300};
    finder.take(request, i + 1);
  }
  for (const SlowIo& slow : finder.find()) {
    EXPECT_GT(slow.requests, 0u);
    EXPECT_TRUE(std::isfinite(slow.expected) && slow.expected >= 0);
    EXPECT_TRUE(std::isfinite(slow.total) && slow.total >= 0);
  }
}

/// Times that fall do not make new windows.
TEST(SlowIo, TimesThatFallNeedNoMoreRoom) {
  MadeSeries made;
  for (std::uint64_t i = 0; i < 100'000; ++i) made.take(Spec{}, (i % 2 == 0 ? 100 : 2) * kSecond + i);
  EXPECT_TRUE(made.find().empty());
}

}  // namespace
}  // namespace ivtrace::model
