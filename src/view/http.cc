#include "view/http.h"

#include <nlohmann/json.hpp>

namespace ivtrace::view {
namespace {

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
    case ErrorCode::kPermission:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kBusy:
      return 409;
    case ErrorCode::kTimeout:
      return 499;
    case ErrorCode::kExhausted:
      return 503;
    default:
      return 500;
  }
}

}  // namespace

std::string json_text(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Reply error_reply(int status, const std::string& message, const std::string& hint) {
  nlohmann::ordered_json json = {{"error", message}};
  if (!hint.empty()) json["hint"] = hint;
  return {status, json_text(json)};
}

Reply error_reply(const Error& error) {
  return error_reply(status_of(error.code), error.message, error.hint);
}

}  // namespace ivtrace::view
