// One connection's bytes, as cpp-httplib reads and writes them, within the server's limits.
#pragma once

#include <httplib.h>

#include <array>
#include <chrono>

#include "base/fd.h"
#include "view/http_server.h"

namespace ivtrace::view {

/// Owns the socket. Borrows `ending`, a descriptor that becomes readable when the server ends. One thread.
class Connection : public httplib::Stream {
 public:
  Connection(UniqueFd socket, int ending, const HttpLimits& limits);

  /// Waits for a request's first byte; false: there will be none.
  bool wait_for_request();
  /// The head has been read; from here on a body may come.
  void expect_body() { left_ = limits_.body_bytes; }
  /// An answer may be on its way to an end that still sends what nobody reads: it gets the time to see it.
  void close_gently();
  /// When the server's answer says so.
  void set_last() { is_last_ = true; }
  bool is_last() const { return is_last_; }

  bool is_readable() const override { return begin_ < end_; }
  bool is_writable() const override;
  ssize_t read(char* into, std::size_t size) override;
  ssize_t write(const char* from, std::size_t size) override;
  using Stream::write;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_.get(); }

 private:
  using Clock = std::chrono::steady_clock;
  /// False: not until then, or the server ends.
  bool wait(short events, Clock::time_point until) const;
  /// More bytes into the buffer; false: there are none.
  bool fill(Clock::time_point until);

  UniqueFd socket_;
  int ending_;
  HttpLimits limits_;
  std::array<char, 8192> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t left_ = 0;  ///< bytes that this request may still have
  Clock::time_point deadline_;
  bool has_asked_ = false;
  bool is_last_ = false;
};

}  // namespace ivtrace::view
