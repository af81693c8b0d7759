#include "format/mailbox_message.h"

#include <gtest/gtest.h>

#include "format/ivring.h"

namespace ivtrace::format {
namespace {

TEST(MailboxMessage, RequestGolden) {
  Request start;
  start.op = Op::kStart;
  start.events = {"sched:sched_switch", "block:*"};
  start.filters = {{"sched:sched_switch", "prev_pid != 0"}};
  start.buffer_kb = 4096;
  start.feed = "map";
  EXPECT_EQ(encode_request(start),
            R"({"buffer_kb":4096,"events":["sched:sched_switch","block:*"],"feed":"map",)"
            R"("filters":{"sched:sched_switch":"prev_pid != 0"},"op":"start"})");
  Request read;
  read.op = Op::kRead;
  read.bulk = Bulk::kKallsyms;
  read.offset = 131072;
  EXPECT_EQ(encode_request(read), R"({"bulk":"kallsyms","offset":131072,"op":"read"})");
  Request clock;
  clock.op = Op::kClock;
  clock.clock_cpu = 1;
  clock.clock_limit_us = 50000;
  EXPECT_EQ(encode_request(clock), R"({"clock_cpu":1,"clock_limit_us":50000,"op":"clock"})");
  EXPECT_EQ(encode_request(Request{}), R"({"op":"hello"})");
  Request detach;
  detach.op = Op::kDetach;
  EXPECT_EQ(encode_request(detach), R"({"op":"detach"})");
}

TEST(MailboxMessage, RequestsComeBackAsTheyWere) {
  for (const Op op : {Op::kHello, Op::kDoctor, Op::kStart, Op::kStop, Op::kEvents, Op::kBuffer, Op::kStats,
                      Op::kClock, Op::kRead, Op::kDetach, Op::kTracerFile, Op::kTracerCompile,
                      Op::kTracerStart, Op::kTracerPoll, Op::kTracerStop}) {
    Request request;
    request.op = op;
    const auto back = decode_request(encode_request(request));
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(back->op, op);
  }
  Request request;
  request.op = Op::kStart;
  request.events = {"a:b", "c:d"};
  request.filters = {{"a:b", "x == \"y\\n\""}};
  request.buffer_kb = 0xffffffffffffffff;
  request.feed = "read";
  const auto back = decode_request(encode_request(request));
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(back->events, request.events);
  EXPECT_EQ(back->filters, request.filters);
  EXPECT_EQ(back->buffer_kb, request.buffer_kb);
  EXPECT_EQ(back->feed, request.feed);
}

Reply full_reply() {
  Reply reply;
  reply.protocol = kMailboxProtocol;
  reply.agent_version = "0.1.0";
  reply.kernel_release = "6.12.1";
  reply.hostname = "vm\xff";  // not UTF-8: must not make the encoder fail
  reply.machine_id = "id";
  reply.boot_id = "boot";
  reply.agent_pid = 77;
  reply.tsc_khz = 2500000;
  reply.page_size = 4096;
  reply.feed = "map";
  reply.recording = true;
  reply.cpus = {{0, 0, true}, {1, 4, false}};
  reply.events = {"sched:sched_switch"};
  reply.rejected = {"x:y: no such event"};
  reply.counters = {{1, 2, 3, 4, 5, 6, 7, 8}};
  reply.checks = {{"lockdown", "missing", "integrity", "boot without it"}};
  reply.total = 1234;
  reply.probes = {{"kprobe:vfs_read", "kprobe:vfs_read", "p:x/y vfs_read", ""}};
  reply.printk_dest = true;
  reply.tracers = {{1, "armed", "", "", 2, 3}};
  reply.lines = {{1, 99, true, false, "hello"}};
  reply.more = true;
  return reply;
}

TEST(MailboxMessage, RepliesComeBackAsTheyWere) {
  const auto back = decode_reply(encode_reply(full_reply()));
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(back->hostname, "vm\uFFFD");
  EXPECT_EQ(back->agent_pid, 77);
  EXPECT_EQ(back->tsc_khz, 2500000u);
  EXPECT_TRUE(back->recording);
  ASSERT_EQ(back->cpus.size(), 2u);
  EXPECT_EQ(back->cpus[1].apic_id, 4u);
  ASSERT_EQ(back->counters.size(), 1u);
  EXPECT_EQ(back->counters[0].cpu, 1u);
  EXPECT_EQ(back->counters[0].stalls, 8u);
  ASSERT_EQ(back->checks.size(), 1u);
  EXPECT_EQ(back->checks[0].hint, "boot without it");
  EXPECT_EQ(back->rejected, full_reply().rejected);
  EXPECT_EQ(back->total, 1234u);
  ASSERT_EQ(back->probes.size(), 1u);
  EXPECT_EQ(back->probes[0].definition, "p:x/y vfs_read");
  EXPECT_TRUE(back->printk_dest);
  ASSERT_EQ(back->tracers.size(), 1u);
  EXPECT_EQ(back->tracers[0].lost_events, 3u);
  ASSERT_EQ(back->lines.size(), 1u);
  EXPECT_TRUE(back->lines[0].arrival);
  EXPECT_EQ(back->lines[0].text, "hello");
  EXPECT_TRUE(back->more);
  EXPECT_EQ(encode_reply(*back), encode_reply(*decode_reply(encode_reply(*back))));
}

TEST(MailboxMessage, CutOffAnywhereIsAnErrorAndNoMore) {
  const std::string text = encode_reply(full_reply());
  for (std::size_t bytes = 0; bytes < text.size(); ++bytes) {
    const auto reply = decode_reply(std::string_view(text).substr(0, bytes));
    ASSERT_FALSE(reply.ok()) << bytes;
    EXPECT_EQ(reply.error().code, ErrorCode::kCorrupt);
  }
}

TEST(MailboxMessage, WrongTypesAndRangesAreRefused) {
  for (const char* text :
       {"", "null", "[]", "1", "{}", R"({"ok":1})", R"({"ok":true,"cpus":{}})", R"({"ok":true,"cpus":[1]})",
        R"({"ok":true,"cpus":[{"cpu":-1}]})", R"({"ok":true,"cpus":[{"cpu":4294967296}]})",
        R"({"ok":true,"agent_pid":2147483648})", R"({"ok":true,"tsc_khz":1.5})",
        R"({"ok":true,"events":[1]})", R"({"ok":true,"hostname":{}})",
        R"({"ok":true,"total":18446744073709551616})"}) {
    EXPECT_FALSE(decode_reply(text).ok()) << text;
  }
  for (const char* text :
       {"{}", R"({"op":"format-disk"})", R"({"op":7})", R"({"op":"read","bulk":"/etc/shadow"})",
        R"({"op":"start","filters":["a"]})", R"({"op":"start","buffer_kb":-1})"}) {
    EXPECT_FALSE(decode_request(text).ok()) << text;
  }
  EXPECT_TRUE(decode_reply(R"({"ok":true,"of_a_later_version":[[1]]})").ok());
}

TEST(MailboxMessage, HostileSizesAreBounded) {
  EXPECT_FALSE(decode_reply(std::string(kReplyBytes + 1, ' ')).ok());
  EXPECT_FALSE(decode_reply(R"({"ok":true,"x":)" + std::string(100000, '[')).ok());
  const auto long_name = decode_reply(R"({"ok":true,"hostname":")" + std::string(4095, 'a') + "äää\"}");
  ASSERT_TRUE(long_name.ok());
  EXPECT_EQ(long_name->hostname, std::string(4095, 'a'));  // cut between characters
  std::string many = R"({"ok":true,"cpus":[)";
  for (std::uint32_t i = 0; i < kMaxCpus + 10; ++i) many += "{},";
  many.back() = ']';
  many += '}';
  const auto cpus = decode_reply(many);
  ASSERT_TRUE(cpus.ok());
  EXPECT_EQ(cpus->cpus.size(), kMaxCpus);
}

TEST(MailboxMessage, ATracersFileComesBackAsItWas) {
  Request request;
  request.op = Op::kTracerFile;
  request.tracer = 2;
  request.tracer_name = "disk.ko";
  request.offset = 45056;
  request.data = std::string(kTracerFilePiece / 3 * 4, 'A');
  const std::string text = encode_request(request);
  EXPECT_LE(text.size(), kRequestBytes);
  const auto back = decode_request(text);
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(back->tracer, 2u);
  EXPECT_EQ(back->tracer_name, "disk.ko");
  EXPECT_EQ(back->offset, 45056u);
  EXPECT_EQ(back->data, request.data);
  request.data = std::string(2 * kTracerFilePiece + 1, 'A');
  EXPECT_FALSE(decode_request(encode_request(request)).ok());
  Request start;
  start.op = Op::kTracerStart;
  start.tracer = 2;
  start.tracer_kind = "stap-module";
  start.arguments = {"-x", "1"};
  EXPECT_EQ(encode_request(start),
            R"({"arguments":["-x","1"],"op":"tracer_start","tracer":2,"tracer_kind":"stap-module"})");
}

TEST(MailboxMessage, AFilterIsNeverCutShort) {
  Request request;
  request.op = Op::kEvents;
  request.filters["a:b"] = std::string(5000, 'x');
  EXPECT_FALSE(decode_request(encode_request(request)).ok());
}

TEST(MailboxMessage, ErrorCodesHaveNames) {
  for (const ErrorCode code :
       {ErrorCode::kNotFound, ErrorCode::kPermission, ErrorCode::kBusy, ErrorCode::kInvalid,
        ErrorCode::kCorrupt, ErrorCode::kUnsupported, ErrorCode::kTimeout, ErrorCode::kIo,
        ErrorCode::kExhausted, ErrorCode::kGone}) {
    EXPECT_NE(error_code_name(code), "");
    EXPECT_EQ(error_code_of(error_code_name(code)), code);
  }
  EXPECT_EQ(error_code_of("what?"), ErrorCode::kIo);
}

}  // namespace
}  // namespace ivtrace::format
