// A request and its answer, as the rooms' own code sees them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "view/stop_source.h"

namespace ivtrace::view {

/// Borrowed from the connection while it is answered. Everything in it is any bytes of anybody's.
struct Request {
  std::string_view method;
  std::string_view target;  ///< path and query, as sent
  std::string_view host;    ///< headers; "" when they are not there
  std::string_view origin;
  std::string_view content_type;
  std::string_view body;  ///< "" while only the head is there
  StopSource& stop;       ///< set when the page has gone away
};

struct Reply {
  static constexpr const char* kJson = "application/json";

  int status = 200;
  std::string body;
  std::string type = kJson;
};

/// Answers requests, several at once. Any thread.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  /// By its head alone, before a body is read: what it is refused with.
  virtual std::optional<Reply> refuse(const Request& request) = 0;
  virtual Reply answer(const Request& request) = 0;
};

/// JSON as text; bytes that are not UTF-8 become U+FFFD.
std::string json_text(const nlohmann::ordered_json& json);
/// {"error": …, "hint": …}.
Reply error_reply(int status, const std::string& message, const std::string& hint = {});
/// With the status that its code asks for (docs/view-api.md).
Reply error_reply(const Error& error);

}  // namespace ivtrace::view
