#include "view/http_server.h"

#include <arpa/inet.h>
#include <httplib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <thread>
#include <vector>

#include "view/connection.h"
#include "view/peer_watch.h"

namespace ivtrace::view {
namespace {

/// What the page may do: scripts, styles, pictures and requests of this server, and nothing else.
constexpr const char* kContentPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src "
    "'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

constexpr std::size_t kMostRequests = 10'000;  ///< of one connection

httplib::Headers headers_of_all() {
  return {{"Content-Security-Policy", kContentPolicy},
          {"X-Content-Type-Options", "nosniff"},
          {"Referrer-Policy", "no-referrer"},
          {"Cache-Control", "no-store"},
          {"Cross-Origin-Resource-Policy", "same-origin"},
          {"Cross-Origin-Opener-Policy", "same-origin"}};
}

}  // namespace

/// cpp-httplib's server, of which only the parsing of a request and the writing of its answer is used.
class HttpServer::Core : private httplib::Server {
 public:
  Core(const HttpLimits& limits, UniqueFd listening, UniqueFd ending, std::unique_ptr<PeerWatch> peers,
       std::uint16_t port)
      : limits_(limits),
        listening_(std::move(listening)),
        ending_(std::move(ending)),
        peers_(std::move(peers)),
        port_(port) {
    set_default_headers(headers_of_all());
    set_payload_max_length(limits.body_bytes);
    // Only said in the answers: serve_connection() sees to it.
    set_keep_alive_max_count(kMostRequests);
    set_keep_alive_timeout(std::chrono::duration_cast<std::chrono::seconds>(limits.idle).count());
    // GET ends here; of a POST only the head is there, and its body is read when it is not refused.
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      std::optional<Reply> reply = handler_->refuse(request_of(request));
      if (!reply && request.method != "POST") reply = handler_->answer(request_of(request));
      if (!reply) return HandlerResponse::Unhandled;
      put(*std::move(reply), response);
      // What else it sent would be taken for the next request.
      if (request.method != "GET" || has_body(request)) end_connection(response);
      return HandlerResponse::Handled;
    });
    Post(R"([\s\S]*)", [this](const httplib::Request& request, httplib::Response& response) {
      put(handler_->answer(request_of(request)), response);
    });
    set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (!response.body.empty()) return;
      put(error_reply(response.status, "this is no request that is answered here"), response);
      end_connection(response);
    });
    set_exception_handler([](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
      put(error_reply(500, "the program failed to answer"), response);
    });
  }

  ~Core() override { end(); }

  std::uint16_t port() const { return port_; }

  void serve(RequestHandler& handler) {
    handler_ = &handler;
    for (std::size_t i = 0; i < limits_.threads; ++i) threads_.emplace_back([this] { take_connections(); });
  }

  void end() {
    const std::uint64_t one = 1;
    // It fails only when the counter is full: then it is readable already.
    static_cast<void>(::write(ending_.get(), &one, sizeof one) < 0);
    peers_->stop_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  /// The connection and the stop of the request that this thread works for: cpp-httplib has no place for
  /// them.
  struct AtWork {
    Connection* connection = nullptr;
    StopSource* stop = nullptr;
  };
  static AtWork& at_work() {
    thread_local AtWork at_work;
    return at_work;
  }

  static bool has_body(const httplib::Request& request) {
    return request.has_header("Content-Length") || request.has_header("Transfer-Encoding");
  }
  static void end_connection(httplib::Response& response) {
    response.set_header("Connection", "close");
    at_work().connection->set_last();
  }
  static void put(Reply reply, httplib::Response& response) {
    response.status = reply.status;
    response.body = std::move(reply.body);
    response.set_header("Content-Type", reply.type);
    // Who may not ask, or asks for nothing that there is, keeps no thread from those who do.
    if (reply.status == 403 || reply.status == 404) end_connection(response);
  }
  /// Borrows from the headers, where each is once; one that is there twice is none of a browser's, and empty.
  static std::string_view header(const httplib::Request& request, const char* name) {
    const auto [begin, end] = request.headers.equal_range(name);
    return begin != end && std::next(begin) == end ? std::string_view(begin->second) : std::string_view();
  }
  static Request request_of(const httplib::Request& request) {
    return {request.method,
            request.target,
            header(request, "Host"),
            header(request, "Origin"),
            header(request, "Content-Type"),
            request.body,
            *at_work().stop};
  }

  void take_connections() {
    for (;;) {
      std::array<pollfd, 2> both = {pollfd{listening_.get(), POLLIN, 0}, pollfd{ending_.get(), POLLIN, 0}};
      if (::poll(both.data(), both.size(), -1) < 0 && errno != EINTR) return;
      if (both[1].revents != 0) return;
      UniqueFd socket(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (socket.valid()) serve_connection(std::move(socket));
    }
  }

  void serve_connection(UniqueFd socket) {
    const int yes = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    Connection connection(std::move(socket), ending_.get(), limits_);
    for (std::size_t i = 0; i < kMostRequests && !connection.is_last() && connection.wait_for_request();
         ++i) {
      StopSource stop;
      const PeerWatch::Watched watched(*peers_, connection.socket(), stop);
      at_work() = {&connection, &stop};
      bool is_last = false;
      const bool is_answered =
          process_request(connection, i + 1 == kMostRequests, is_last, [&](httplib::Request& request) {
            // Neither packed nor in parts: it goes no farther than this machine.
            request.headers.erase("Accept-Encoding");
            request.ranges.clear();
            connection.expect_body();
          });
      if (!is_answered || is_last) break;
    }
    connection.close_gently();
  }

  HttpLimits limits_;
  UniqueFd listening_;
  UniqueFd ending_;  ///< an eventfd, readable from the end on
  std::unique_ptr<PeerWatch> peers_;
  std::uint16_t port_;
  RequestHandler* handler_ = nullptr;
  std::vector<std::thread> threads_;
};

Result<std::unique_ptr<HttpServer>> HttpServer::listen(std::uint16_t port, const HttpLimits& limits) {
  UniqueFd listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listening.valid()) return errno_error(errno, "cannot make a socket");
  // Not SO_REUSEPORT, as cpp-httplib would have it: another program could share the port, and its requests.
  const int yes = 1;
  ::setsockopt(listening.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listening.get(), any, size) != 0 || ::listen(listening.get(), limits.waiting) != 0 ||
      ::getsockname(listening.get(), any, &size) != 0) {
    const int why = errno;
    const std::string what = "cannot listen on 127.0.0.1:" + std::to_string(port);
    if (why == EADDRINUSE)
      return Error(ErrorCode::kBusy, what + ": somebody else does", "leave out --port for a free one");
    return errno_error(why, what, why == EACCES ? "ports below 1024 are root's" : "");
  }
  UniqueFd ending(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ending.valid()) return errno_error(errno, "cannot make an eventfd");
  IVT_ASSIGN_OR_RETURN(std::unique_ptr<PeerWatch> peers, PeerWatch::start());
  return std::unique_ptr<HttpServer>(new HttpServer(std::make_unique<Core>(
      limits, std::move(listening), std::move(ending), std::move(peers), ntohs(address.sin_port))));
}

HttpServer::HttpServer(std::unique_ptr<Core> core) : core_(std::move(core)) {}
HttpServer::~HttpServer() = default;
std::uint16_t HttpServer::port() const { return core_->port(); }
void HttpServer::serve(RequestHandler& handler) { core_->serve(handler); }
void HttpServer::end() { core_->end(); }

}  // namespace ivtrace::view
