#include "exchange/ctf_stream.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "base/fd.h"
#include "run/run_test_support.h"

namespace ivtrace::exchange {
namespace {

constexpr CtfUuid kUuid = {1, 2, 3};

struct Packet {
  std::uint64_t begin, end, sequence, discarded;
  std::uint32_t cpu;
  std::string events;
};

template <class T>
T value_at(const std::string& bytes, std::size_t at) {
  T value{};
  EXPECT_LE(at + sizeof value, bytes.size());
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// As the metadata declares them.
std::vector<Packet> packets_of(const std::string& bytes) {
  std::vector<Packet> packets;
  for (std::size_t at = 0; at < bytes.size();) {
    EXPECT_EQ(value_at<std::uint32_t>(bytes, at), kCtfMagic);
    EXPECT_EQ(std::memcmp(bytes.data() + at + 4, kUuid.data(), 16), 0);
    EXPECT_EQ(value_at<std::uint32_t>(bytes, at + 20), kCtfStreamId);
    const std::uint64_t bits = value_at<std::uint64_t>(bytes, at + 48);
    EXPECT_EQ(value_at<std::uint64_t>(bytes, at + 40), bits);
    EXPECT_EQ(bits % 8, 0u);
    if (bits < kCtfPacketHead * 8 || bits / 8 > bytes.size() - at) {
      ADD_FAILURE() << "a packet of " << bits << " bits at " << at;
      break;
    }
    packets.push_back({value_at<std::uint64_t>(bytes, at + 24), value_at<std::uint64_t>(bytes, at + 32),
                       value_at<std::uint64_t>(bytes, at + 56), value_at<std::uint64_t>(bytes, at + 64),
                       value_at<std::uint32_t>(bytes, at + 72),
                       bytes.substr(at + kCtfPacketHead, bits / 8 - kCtfPacketHead)});
    at += bits / 8;
  }
  return packets;
}

class CtfStreams : public ::testing::Test {
 protected:
  CtfStream make() { return *CtfStream::create(scratch_ / "cpu3", kUuid, 3); }
  std::vector<Packet> close(CtfStream stream) {
    EXPECT_TRUE(stream.close());
    return packets_of(*read_file(scratch_ / "cpu3"));
  }

 private:
  run::ScratchDirectory scratch_;
};

TEST_F(CtfStreams, EventsHaveIdTimeAndBody) {
  CtfStream stream = make();
  stream.event(1000, 7, "ab");
  stream.event(1005, 8, "c");
  const std::vector<Packet> packets = close(std::move(stream));
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].begin, 1000u);
  EXPECT_EQ(packets[0].end, 1005u);
  EXPECT_EQ(packets[0].cpu, 3u);
  EXPECT_EQ(packets[0].discarded, 0u);
  ASSERT_EQ(packets[0].events.size(), 27u);
  EXPECT_EQ(value_at<std::uint32_t>(packets[0].events, 0), 7u);
  EXPECT_EQ(value_at<std::uint64_t>(packets[0].events, 4), 1000u);
  EXPECT_EQ(packets[0].events.substr(12, 2), "ab");
  EXPECT_EQ(value_at<std::uint32_t>(packets[0].events, 14), 8u);
}

TEST_F(CtfStreams, AHoleIsAPacketOfItsOwn) {
  CtfStream stream = make();
  stream.event(1000, 7, "");
  stream.lose(1000, 2000, 5);
  stream.event(2000, 7, "");
  const std::vector<Packet> packets = close(std::move(stream));
  ASSERT_EQ(packets.size(), 3u);
  EXPECT_EQ(packets[0].discarded, 0u);
  EXPECT_EQ(packets[1].events, "");
  EXPECT_EQ(packets[1].begin, 1000u);
  EXPECT_EQ(packets[1].end, 2000u);
  EXPECT_EQ(packets[1].discarded, 5u);
  EXPECT_EQ(packets[2].begin, 2000u);
  EXPECT_EQ(packets[2].discarded, 5u);
  EXPECT_EQ(packets[2].sequence, 2u);
}

TEST_F(CtfStreams, AHoleAtTheStartHasAPacketToCountFrom) {
  CtfStream stream = make();
  stream.lose(500, 900, 5);
  const std::vector<Packet> packets = close(std::move(stream));
  ASSERT_EQ(packets.size(), 2u);
  EXPECT_EQ(packets[0].discarded, 0u);
  EXPECT_EQ(packets[0].end, 500u);
  EXPECT_EQ(packets[1].discarded, 5u);
  EXPECT_EQ(packets[1].end, 900u);
}

TEST_F(CtfStreams, PacketsAreOfBoundedSizeAndTimesNeverFall) {
  CtfStream stream = make();
  const std::string body(1000, 'x');
  for (std::uint64_t i = 0; i < 3000; ++i) stream.event(i == 1500 ? 3 : i, 7, body);
  std::uint64_t last = 0, events = 0;
  for (const Packet& packet : close(std::move(stream))) {
    EXPECT_LE(packet.events.size(), kCtfPacketBytes + 1012);
    EXPECT_GE(packet.begin, last);
    for (std::size_t at = 0; at < packet.events.size(); at += 1012, ++events) {
      const auto time = value_at<std::uint64_t>(packet.events, at + 4);
      EXPECT_GE(time, last);
      last = time;
    }
    EXPECT_EQ(packet.end, last);
  }
  EXPECT_EQ(events, 3000u);
}

}  // namespace
}  // namespace ivtrace::exchange
