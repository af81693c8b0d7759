#include "view/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>

#include "base/fd.h"

namespace ivtrace::view {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// Answers with what it was asked; "/wait" waits until it is told to stop.
class Echo : public RequestHandler {
 public:
  std::optional<Reply> refuse(const Request& request) override {
    if (request.target == "/no") return error_reply(403, "no");
    return {};
  }
  Reply answer(const Request& request) override {
    if (request.target == "/throw") throw std::runtime_error("a secret");
    if (request.target == "/wait") {
      {
        const std::lock_guard lock(mutex_);
        ++waiting_;
      }
      changed_.notify_all();
      while (!request.stop.requested()) ::usleep(1000);
      const std::lock_guard lock(mutex_);
      ++stopped_;
      changed_.notify_all();
      return error_reply(499, "the page went away");
    }
    return {200,
            std::string(request.method) + " " + std::string(request.target) +
                " host=" + std::string(request.host) + " body=" + std::string(request.body),
            "text/plain"};
  }
  void wait_for_work() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }
  void wait_for_stop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stopped_ > 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  int stopped_ = 0;
};

/// A connection whose bytes the test writes itself.
class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  void send(std::string_view text) {
    // An end that has had enough is no failure of the test.
    static_cast<void>(::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0);
  }
  /// All that comes until the other end closes.
  std::string read_all() {
    std::string all;
    char bytes[4096];
    for (ssize_t got; (got = ::recv(socket_.get(), bytes, sizeof bytes, 0)) > 0;)
      all.append(bytes, static_cast<std::size_t>(got));
    return all;
  }
  /// Up to and with `end`.
  std::string read_until(std::string_view end) {
    std::string all;
    char byte = 0;
    while (all.find(end) == std::string::npos && ::recv(socket_.get(), &byte, 1, 0) == 1) all += byte;
    return all;
  }

 private:
  UniqueFd socket_;
};

class HttpServerTest : public ::testing::Test {
 protected:
  void SetUp() override { start({}); }
  void start(const HttpLimits& limits) {
    if (server_ != nullptr) server_->end();
    server_ = *HttpServer::listen(0, limits);
    server_->serve(echo_);
  }
  std::string ask(std::string_view text) {
    Client client(server_->port());
    client.send(text);
    return client.read_all();
  }

  Echo echo_;
  std::unique_ptr<HttpServer> server_;
};

constexpr const char* kClose = "Connection: close\r\n\r\n";

TEST_F(HttpServerTest, AnswersWithTheHeadersThatKeepThePageSafe) {
  const std::string answer = ask(std::string("GET /a?b=%20 HTTP/1.1\r\nHost: me:1\r\n") + kClose);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("GET /a?b=%20 host=me:1 body="));
  for (const char* const header : {"Content-Security-Policy: default-src 'none'; script-src 'self'; "
                                   "style-src 'self'; img-src 'self' data: blob:; "
                                   "connect-src 'self'",
                                   "frame-ancestors 'none'", "X-Content-Type-Options: nosniff",
                                   "Referrer-Policy: no-referrer", "Cache-Control: no-store"})
    EXPECT_THAT(answer, HasSubstr(header));
}

TEST_F(HttpServerTest, ErrorsHaveTheSameHeadersAndAreJson) {
  const std::string answer = ask(std::string("GET /no HTTP/1.1\r\n") + kClose);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(answer, HasSubstr("{\"error\":\"no\"}"));
  EXPECT_THAT(answer, HasSubstr("Content-Security-Policy: default-src 'none'"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: application/json"));
}

TEST_F(HttpServerTest, OneConnectionAsksSeveralTimes) {
  Client client(server_->port());
  client.send("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
  EXPECT_THAT(client.read_until("GET /1 host= body="), HasSubstr("200"));
  EXPECT_THAT(client.read_until("GET /2 host= body="), HasSubstr("200"));
}

TEST_F(HttpServerTest, ReadsABodyAfterItsHeadWasFoundRight) {
  EXPECT_THAT(ask(std::string("POST /x HTTP/1.1\r\nContent-Length: 5\r\n") + kClose + "hello"),
              HasSubstr("POST /x host= body=hello"));
  EXPECT_THAT(ask("POST /no HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"), StartsWith("HTTP/1.1 403"));
}

TEST_F(HttpServerTest, WhatIsTooLargeIsRefused) {
  EXPECT_THAT(ask("POST /x HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n" + std::string(1048577, 'x')),
              StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(ask("GET /" + std::string(9000, 'x') + " HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 414"));
  EXPECT_THAT(ask("GET / HTTP/1.1\r\nX: " + std::string(20000, 'x') + "\r\n\r\n"), Not(HasSubstr("200")));
  EXPECT_THAT(ask("GET /" + std::string(20000, 'x')), Not(HasSubstr("200")));
  // In pieces, whose sum nobody tells beforehand.
  std::string pieces = "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 40; ++i) pieces += "8000\r\n" + std::string(0x8000, 'x') + "\r\n";
  EXPECT_THAT(ask(pieces + "0\r\n\r\n"), Not(HasSubstr("200")));
}

TEST_F(HttpServerTest, WhatIsNoRequestIsRefused) {
  for (const char* const text :
       {"\r\n\r\n", "hello\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9\r\n\r\n", "BREW / HTTP/1.1\r\n\r\n"})
    EXPECT_THAT(ask(text), Not(HasSubstr("200"))) << text;
}

TEST_F(HttpServerTest, ABodyThatNobodyReadsIsNotTheNextRequest) {
  const std::string answer =
      ask("GET /1 HTTP/1.1\r\nContent-Length: 24\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("GET /1 "));
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
  EXPECT_THAT(answer, Not(HasSubstr("smuggled")));
}

TEST_F(HttpServerTest, NeitherPacksNorCutsAnAnswer) {
  const std::string answer =
      ask(std::string("GET /x HTTP/1.1\r\nAccept-Encoding: gzip, br\r\nRange: bytes=0-1\r\n") + kClose);
  EXPECT_THAT(answer, HasSubstr("GET /x host= body="));
  EXPECT_THAT(answer, Not(HasSubstr("Content-Encoding")));
}

TEST_F(HttpServerTest, AHeaderThatIsThereTwiceIsNone) {
  EXPECT_THAT(ask(std::string("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n") + kClose), HasSubstr("host= body"));
}

TEST_F(HttpServerTest, AFailureOfTheHandlerTellsNothing) {
  const std::string answer = ask(std::string("GET /throw HTTP/1.1\r\n") + kClose);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(answer, Not(HasSubstr("secret")));
}

TEST_F(HttpServerTest, AClosedConnectionEndsTheWorkBehindIt) {
  {
    Client client(server_->port());
    client.send("GET /wait HTTP/1.1\r\n\r\n");
    echo_.wait_for_work();
  }
  echo_.wait_for_stop();
}

TEST_F(HttpServerTest, TheEndEndsWorkAndConnections) {
  Client working(server_->port());
  working.send("GET /wait HTTP/1.1\r\n\r\n");
  Client idle(server_->port());
  idle.send("GET /1 HTTP/1.1\r\n\r\n");
  idle.read_until("body=");
  echo_.wait_for_work();
  server_->end();
  EXPECT_EQ(idle.read_all(), "");
}

TEST_F(HttpServerTest, AConnectionThatStaysSilentIsClosed) {
  start({.threads = 1, .idle = std::chrono::milliseconds(20), .arriving = std::chrono::milliseconds(20)});
  Client silent(server_->port());
  EXPECT_EQ(silent.read_all(), "");
  Client slow(server_->port());
  slow.send("GET / HTTP/1.1\r\nHos");
  EXPECT_THAT(slow.read_all(), Not(HasSubstr("200")));
  EXPECT_THAT(ask("GET /1 HTTP/1.1\r\nConnection: close\r\n\r\n"), HasSubstr("GET /1"));
}

TEST_F(HttpServerTest, APortThatSomebodyHasIsAnError) {
  const auto second = HttpServer::listen(server_->port());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kBusy);
  EXPECT_THAT(second.error().message, HasSubstr("127.0.0.1:" + std::to_string(server_->port())));
}

TEST_F(HttpServerTest, IsReachedOnTheLoopbackOnly) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(server_->port());
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  // Whoever listens on all addresses could not be joined by another socket on the port.
  const UniqueFd other(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  address.sin_addr.s_addr = htonl(0x7f000002);  // 127.0.0.2
  EXPECT_EQ(::bind(other.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
}

}  // namespace
}  // namespace ivtrace::view
