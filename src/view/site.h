// What is where on the server, and who may have it: docs/view-api.md.
#pragma once

#include <string>

#include "view/http.h"
#include "view/session.h"

namespace ivtrace::view {

/// Borrows the session. Any thread.
class Site : public RequestHandler {
 public:
  Site(Session& session, std::string token, std::uint16_t port);

  /// "http://127.0.0.1:PORT/TOKEN/".
  std::string address() const;
  std::optional<Reply> refuse(const Request& request) override;
  Reply answer(const Request& request) override;

 private:
  /// The path behind the token; nothing when the token is not there or not the right one.
  std::optional<std::string_view> path_of(std::string_view target) const;
  bool is_own_host(std::string_view host) const;

  Session& session_;
  std::string token_;
  std::string ip_host_;    ///< 127.0.0.1:PORT
  std::string name_host_;  ///< localhost:PORT
};

}  // namespace ivtrace::view
