#include "ring/mailbox.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "ring/ring_fixture.h"

namespace ivtrace::ring {
namespace {

using format::Op;
using format::Reply;
using format::Request;

constexpr Nanoseconds kLong{20'000'000'000};
constexpr Nanoseconds kShort{20'000'000};

Request ask(Op op) {
  Request request;
  request.op = op;
  return request;
}

// An agent's mailbox thread.
class Serving {
 public:
  Serving(const SharedMemory& memory, MailboxServer::Handler handler)
      : thread_([this, memory, handler = std::move(handler)] {
          MailboxServer server(memory);
          ready_ = true;
          while (!stop_) {
            if (!server.poll(handler)) std::this_thread::yield();
          }
        }) {
    while (!ready_) std::this_thread::yield();
  }
  ~Serving() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<bool> ready_{false};
  std::thread thread_;
};

TEST(Mailbox, ARequestIsAnswered) {
  TestRing ring(1);
  Serving agent(ring.host->memory(), [](const Request& request, std::string& raw) {
    Reply reply;
    reply.hostname = request.op == Op::kHello ? "guest" : "?";
    raw = std::string("raw\0bytes", 9);
    return reply;
  });
  MailboxClient client(*ring.host);
  std::string raw;
  for (int i = 0; i < 100; ++i) {
    const auto reply = client.call(ask(Op::kHello), kLong, &raw);
    ASSERT_TRUE(reply.ok()) << reply.error().to_string();
    EXPECT_EQ(reply->hostname, "guest");
    EXPECT_EQ(raw, std::string("raw\0bytes", 9));
  }
}

TEST(Mailbox, EachRequestIsCarriedOutOnceAndALateReplyIsForNobody) {
  TestRing ring(1);
  MailboxServer server(ring.host->memory());
  std::vector<Op> done;
  const auto handler = [&](const Request& request, std::string&) {
    done.push_back(request.op);
    Reply reply;
    reply.message = std::to_string(done.size());
    return reply;
  };
  MailboxClient first(*ring.host);
  ASSERT_TRUE(first.post(ask(Op::kStart)).ok());
  EXPECT_FALSE(first.take()->has_value());
  EXPECT_TRUE(server.poll(handler));
  EXPECT_FALSE(server.poll(handler));
  // The recorder asks again without having taken the reply: the old one is not taken for the new one's.
  ASSERT_TRUE(first.post(ask(Op::kStats)).ok());
  EXPECT_FALSE(first.take()->has_value());
  EXPECT_TRUE(server.poll(handler));
  const auto reply = first.take();
  ASSERT_TRUE(reply.ok() && reply->has_value());
  EXPECT_EQ((*reply)->message, "2");
  EXPECT_EQ(done, (std::vector{Op::kStart, Op::kStats}));
}

TEST(Mailbox, ARequestThatCameBeforeTheServerWasMadeIsAnswered) {
  TestRing ring(1);
  MailboxClient client(*ring.host);
  ASSERT_TRUE(client.post(ask(Op::kHello))
                  .ok());  // the recorder saw the formatted ring sooner than the agent went on
  MailboxServer server(ring.host->memory());
  EXPECT_TRUE(server.poll([](const Request&, std::string&) { return Reply(); }));
  EXPECT_TRUE(client.take()->has_value());
}

TEST(Mailbox, AReplyToAnotherRecorderIsNotTaken) {
  TestRing ring(1);
  MailboxServer server(ring.host->memory());
  MailboxClient client(*ring.host);
  ASSERT_TRUE(client.post(ask(Op::kHello)).ok());
  server.poll([](const Request&, std::string&) { return Reply(); });
  ring.host->memory().mailbox().reply_session = ring.host->session() ^ 1;
  EXPECT_FALSE(client.take()->has_value());
}

TEST(Mailbox, NoAgentIsGoneAndASilentOneATimeout) {
  auto mapping = Mapping::anonymous(memory_for(1));
  auto host = HostRing::of_mapping(*std::move(mapping), "test ring");
  MailboxClient client(*host);
  const auto none = client.call(ask(Op::kHello), kShort);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, ErrorCode::kGone);
  TestRing ring(1);
  MailboxClient patient(*ring.host);
  const auto silent = patient.call(ask(Op::kHello), kShort);
  ASSERT_FALSE(silent.ok());
  EXPECT_EQ(silent.error().code, ErrorCode::kTimeout);
}

TEST(Mailbox, AnAgentStartedAgainInTheMiddleIsGone) {
  TestRing ring(1);
  MailboxClient client(*ring.host);
  ASSERT_TRUE(client.post(ask(Op::kStop)).ok());
  ring.start_agent();
  const auto reply = client.take();
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, ErrorCode::kGone);
  // … and the new one serves at once, though it does not know what the old one was asked.
  Serving agent(ring.host->memory(), [](const Request&, std::string&) { return Reply(); });
  EXPECT_TRUE(client.call(ask(Op::kHello), kLong).ok());
}

TEST(Mailbox, ARecorderStartedAgainIsServed) {
  TestRing ring(1);
  MailboxServer server(ring.host->memory());
  {
    MailboxClient dead(*ring.host);
    ASSERT_TRUE(dead.post(ask(Op::kStart)).ok());  // and dies before the reply
  }
  const auto handler = [](const Request& request, std::string&) {
    Reply reply;
    reply.recording = request.op == Op::kStart;
    return reply;
  };
  MailboxClient next(*ring.host);
  server.poll(handler);
  ASSERT_TRUE(next.post(ask(Op::kHello)).ok());
  EXPECT_FALSE(next.take()->has_value());
  server.poll(handler);
  const auto reply = next.take();
  ASSERT_TRUE(reply.ok() && reply->has_value());
  EXPECT_FALSE((*reply)->recording);
}

TEST(Mailbox, BulkTextComesInWindows) {
  TestRing ring(1);
  std::string text;
  std::mt19937 random(3);
  while (text.size() < 3 * kBulkWindow + 777) text += static_cast<char>(random());
  Serving agent(ring.host->memory(), [&](const Request& request, std::string& raw) {
    return bulk_reply(request.bulk == format::Bulk::kKallsyms ? std::string_view(text) : "", request.offset,
                      raw);
  });
  MailboxClient client(*ring.host);
  const auto whole = client.read_bulk(format::Bulk::kKallsyms, text.size(), kLong);
  ASSERT_TRUE(whole.ok()) << whole.error().to_string();
  EXPECT_EQ(*whole, text);
  const auto empty = client.read_bulk(format::Bulk::kCmdlines, 10, kLong);
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(*empty, "");
  const auto bounded = client.read_bulk(format::Bulk::kKallsyms, text.size() - 1, kLong);
  ASSERT_FALSE(bounded.ok());
  EXPECT_EQ(bounded.error().code, ErrorCode::kExhausted);
}

TEST(Mailbox, AGuestThatCheatsInABulkReadIsCorrupt) {
  struct Cheat {
    const char* name;
    std::function<Reply(const Request&, std::string&)> handler;
  };
  const auto with = [](std::uint64_t total) {
    Reply reply;
    reply.total = total;
    return reply;
  };
  const Cheat cheats[] = {
      {"nothing", [&](const Request&, std::string&) { return with(100); }},
      {"crumbs",
       [&](const Request&, std::string& raw) {
         raw = "x";
         return with(1000);
       }},
      {"more than announced",
       [&](const Request&, std::string& raw) {
         raw = "xxxx";
         return with(3);
       }},
      {"grows",
       [&](const Request& request, std::string& raw) {
         raw = std::string(kBulkWindow, 'x');
         return with(request.offset + 2 * kBulkWindow);
       }},
  };
  for (const Cheat& cheat : cheats) {
    TestRing ring(1);
    Serving agent(ring.host->memory(), cheat.handler);
    MailboxClient client(*ring.host);
    const auto text = client.read_bulk(format::Bulk::kFormats, 1u << 20, kLong);
    ASSERT_FALSE(text.ok()) << cheat.name;
    EXPECT_EQ(text.error().code, ErrorCode::kCorrupt) << cheat.name;
  }
}

TEST(Mailbox, AnErrorInABulkReadKeepsItsCodeAndHint) {
  TestRing ring(1);
  Serving agent(ring.host->memory(), [](const Request&, std::string&) {
    Reply reply;
    reply.ok = false;
    reply.code = "permission";
    reply.message = "kallsyms is hidden";
    reply.hint = "kptr_restrict";
    return reply;
  });
  MailboxClient client(*ring.host);
  const auto text = client.read_bulk(format::Bulk::kKallsyms, 1u << 20, kLong);
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().code, ErrorCode::kPermission);
  EXPECT_EQ(text.error().hint, "kptr_restrict");
}

TEST(Mailbox, ReplySizesAreNotBelieved) {
  TestRing ring(1);
  format::MailboxControl& control = ring.host->memory().mailbox();
  MailboxServer server(ring.host->memory());
  MailboxClient client(*ring.host);
  for (const auto& [text, raw] :
       {std::pair{0xffffffffu, 0u}, std::pair{0u, 0xffffffffu},
        std::pair<unsigned, unsigned>{format::kReplyBytes, 1u}, std::pair{0u, 0u}}) {
    ASSERT_TRUE(client.post(ask(Op::kHello)).ok());
    server.poll([](const Request&, std::string&) { return Reply(); });
    control.reply_bytes = text;
    control.reply_raw_bytes = raw;
    std::string bytes;
    const auto reply = client.take(&bytes);
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.error().code, ErrorCode::kCorrupt);
  }
}

TEST(Mailbox, AGarbledRequestIsAnsweredWithAnError) {
  TestRing ring(1);
  format::MailboxControl& control = ring.host->memory().mailbox();
  MailboxServer server(ring.host->memory());
  bool handled = false;
  const auto handler = [&](const Request&, std::string&) {
    handled = true;
    return Reply();
  };
  for (const std::uint32_t bytes : {0u, 7u, static_cast<unsigned>(format::kRequestBytes), 0xffffffffu}) {
    control.request_bytes = bytes;
    control.request_seq = control.request_seq + 1;
    EXPECT_TRUE(server.poll(handler));
    EXPECT_FALSE(handled);
    EXPECT_EQ(control.reply_seq, control.request_seq);
    const std::string text(reinterpret_cast<const char*>(ring.host->memory().reply_area().data()),
                           control.reply_bytes);
    EXPECT_FALSE(format::decode_reply(text)->ok);
  }
}

TEST(Mailbox, AReplyThatDoesNotFitBecomesAnError) {
  TestRing ring(1);
  Serving agent(ring.host->memory(), [](const Request& request, std::string& raw) {
    Reply reply;
    raw = std::string(format::kReplyBytes * 2, 'r');
    if (request.op == Op::kStart) reply.events.assign(format::kReplyBytes / 10, "sched:sched_switch");
    return reply;
  });
  MailboxClient client(*ring.host);
  std::string raw;
  const auto cut = client.call(ask(Op::kHello), kLong, &raw);
  ASSERT_TRUE(cut.ok() && cut->ok);
  EXPECT_GT(raw.size(), kBulkWindow);
  const auto refused = client.call(ask(Op::kStart), kLong, &raw);
  ASSERT_TRUE(refused.ok());
  EXPECT_FALSE(refused->ok);
  EXPECT_EQ(refused->code, "exhausted");
}

}  // namespace
}  // namespace ivtrace::ring
