#include "tracefs/lockdown.h"

#include <unistd.h>

#include <string_view>

#include "base/fd.h"
#include "tracefs/mount.h"

namespace ivtrace::tracefs {

const char* to_string(Lockdown state) {
  switch (state) {
    case Lockdown::kNone:
      return "none";
    case Lockdown::kIntegrity:
      return "integrity";
    case Lockdown::kConfidentiality:
      return "confidentiality";
    case Lockdown::kUnknown:
      break;
  }
  return "unknown";
}

Lockdown parse_lockdown(std::string_view text) {
  if (text.find("[none]") != text.npos) return Lockdown::kNone;
  if (text.find("[integrity]") != text.npos) return Lockdown::kIntegrity;
  if (text.find("[confidentiality]") != text.npos) return Lockdown::kConfidentiality;
  return Lockdown::kUnknown;
}

Lockdown lockdown_state() {
  if (const auto text = read_file("/sys/kernel/security/lockdown", 4096)) return parse_lockdown(*text);
  const Result<UniqueFd> security = mount_detached("securityfs");
  if (!security) return Lockdown::kUnknown;
  const auto text = read_file_at(security->get(), "lockdown", 4096);
  if (text) return parse_lockdown(*text);
  return text.error().code == ErrorCode::kNotFound ? Lockdown::kNone : Lockdown::kUnknown;
}

Error explain_denied(Error error) {
  if (error.code != ErrorCode::kPermission || !error.hint.empty()) return error;
  if (::geteuid() != 0) {
    error.hint = "run it as root";
    return error;
  }
  switch (lockdown_state()) {
    case Lockdown::kConfidentiality:
      error.hint =
          "kernel lockdown is \"confidentiality\": it forbids tracing; boot with lockdown=integrity or none";
      break;
    case Lockdown::kIntegrity:
      error.hint =
          "kernel lockdown is \"integrity\" (Secure Boot?): turn Secure Boot off, or boot without lockdown=";
      break;
    case Lockdown::kNone:
    case Lockdown::kUnknown:
      error.hint = "a container's or a security module's rules forbid it: run it on the machine itself";
      break;
  }
  return error;
}

}  // namespace ivtrace::tracefs
