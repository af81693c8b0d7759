#include "format/ivring.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <string>

namespace ivtrace::format {
namespace {

// The layout is a contract between programs of different ages: these numbers change only with kRingVersion.
TEST(IvringLayout, Offsets) {
  EXPECT_EQ(kRingVersion, 1u);
  EXPECT_EQ(offsetof(RingHeader, magic), 0u);
  EXPECT_EQ(offsetof(RingHeader, version), 8u);
  EXPECT_EQ(offsetof(RingHeader, cpu_count), 12u);
  EXPECT_EQ(offsetof(RingHeader, total_bytes), 16u);
  EXPECT_EQ(offsetof(RingHeader, ring_bytes), 24u);
  EXPECT_EQ(offsetof(RingHeader, rings_offset), 32u);
  EXPECT_EQ(offsetof(RingHeader, generation), 40u);
  EXPECT_EQ(offsetof(RingHeader, agent_boot), 48u);
  EXPECT_EQ(offsetof(RingHeader, agent_heartbeat), 64u);
  EXPECT_EQ(offsetof(RingHeader, agent_state), 72u);
  EXPECT_EQ(offsetof(RingHeader, host_heartbeat), 128u);
  EXPECT_EQ(offsetof(RingHeader, host_session), 136u);

  EXPECT_EQ(offsetof(MailboxControl, request_seq), 0u);
  EXPECT_EQ(offsetof(MailboxControl, request_session), 8u);
  EXPECT_EQ(offsetof(MailboxControl, request_bytes), 16u);
  EXPECT_EQ(offsetof(MailboxControl, reply_seq), 64u);
  EXPECT_EQ(offsetof(MailboxControl, reply_session), 72u);
  EXPECT_EQ(offsetof(MailboxControl, reply_bytes), 80u);
  EXPECT_EQ(offsetof(MailboxControl, reply_raw_bytes), 84u);
  EXPECT_EQ(offsetof(MailboxControl, ping_seq), 128u);
  EXPECT_EQ(offsetof(MailboxControl, pong_seq), 192u);
  EXPECT_EQ(offsetof(MailboxControl, pong_tsc), 200u);

  EXPECT_EQ(offsetof(CpuControl, head), 0u);
  EXPECT_EQ(offsetof(CpuControl, chunks), 8u);
  EXPECT_EQ(offsetof(CpuControl, stalled), 16u);
  EXPECT_EQ(offsetof(CpuControl, tail), 64u);

  EXPECT_EQ(kMailboxOffset, 4096u);
  EXPECT_EQ(kControlOffset, 4096u + 4096 + 65536 + 262144);
}

TEST(IvringLayout, MagicReadsAsText) {
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(&kRingMagic), 8), "!IVRING1");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(&kChunkMagic), 4), "IVCK");
}

TEST(IvringLayout, ChunkHeaderBytes) {
  const ChunkHeader header{.magic = kChunkMagic,
                           .bytes = 0x01020304,
                           .generation = 0x1112131415161718,
                           .sequence = 0x2122232425262728,
                           .page = 0x3132333435363738,
                           .offset = 0x41424344,
                           .flags = kChunkSealed | kChunkMissedCounted,
                           .missed = 0x5152535455565758};
  const unsigned char expected[48] = {'I',  'V',  'C',  'K',  0x04, 0x03, 0x02, 0x01, 0x18, 0x17, 0x16, 0x15,
                                      0x14, 0x13, 0x12, 0x11, 0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21,
                                      0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31, 0x44, 0x43, 0x42, 0x41,
                                      0x09, 0x00, 0x00, 0x00, 0x58, 0x57, 0x56, 0x55, 0x54, 0x53, 0x52, 0x51};
  EXPECT_EQ(std::memcmp(&header, expected, sizeof expected), 0);
}

TEST(IvringLayout, ChunkSpanIsHeaderAndPayloadInEights) {
  EXPECT_EQ(chunk_span(0), 48u);
  EXPECT_EQ(chunk_span(1), 56u);
  EXPECT_EQ(chunk_span(8), 56u);
  EXPECT_EQ(chunk_span(9), 64u);
  EXPECT_EQ(chunk_span(0xffffffff), 48u + 0x100000000u);
}

}  // namespace
}  // namespace ivtrace::format
