// A small web server for one page of one user: on 127.0.0.1 only, with a bound on everything.
//
// cpp-httplib parses requests and writes answers. Sockets and threads are this file's: a fixed number of
// threads, each of which takes a connection from the kernel's queue when it has none, so that nobody can make
// more of either; a bound on the bytes and the time that a request may take to arrive; and a look at the
// other end while a request is worked for.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "view/http.h"

namespace ivtrace::view {

struct HttpLimits {
  std::size_t threads = 32;  ///< and connections
  int waiting = 32;          ///< connections that the kernel keeps until a thread is free
  std::size_t head_bytes = 16 << 10;
  std::size_t body_bytes = 1 << 20;
  std::chrono::milliseconds first{2'000};  ///< until a new connection has asked something
  std::chrono::milliseconds idle{
      10'000};  ///< that one may be silent after it has asked something that it may
  std::chrono::milliseconds arriving{10'000};  ///< from a request's first byte to its last
  std::chrono::milliseconds leaving{30'000};   ///< that the other end may take none of an answer
};

/// Any thread; end() and the destructor by one.
class HttpServer {
 public:
  /// Takes the port (0: any). kBusy when somebody else has it. Nothing is answered yet.
  static Result<std::unique_ptr<HttpServer>> listen(std::uint16_t port, const HttpLimits& limits = {});
  ~HttpServer();  ///< end()
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;
  /// Answers from now on. `handler` outlives the server's end. Once.
  void serve(RequestHandler& handler);
  /// Ends the work for all requests and waits for it; connections are cut.
  void end();

 private:
  class Core;
  explicit HttpServer(std::unique_ptr<Core> core);

  std::unique_ptr<Core> core_;
};

}  // namespace ivtrace::view
