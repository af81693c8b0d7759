#include "tracefs/probe_filter.h"

#include <sys/prctl.h>

#include <array>

namespace ivtrace::tracefs {
namespace {

// The kernel's trace_flag_type: in a hard interrupt 8, a soft one 16, a non-maskable one 64.
constexpr std::string_view kInInterrupt = "common_flags & 88";

}  // namespace

std::string probe_filter(std::string_view filter, std::string_view comm) {
  const bool quotable = !comm.empty() && comm.find_first_of("\"\\*?[") == comm.npos;  // no pattern, no escape
  if (!quotable || filter.find("COMM") != filter.npos) return std::string(filter);
  std::string not_us = "COMM != \"";
  not_us.append(comm).append("\" || ").append(kInInterrupt);
  if (filter.empty()) return not_us;
  return "(" + std::string(filter) + ") && (" + not_us + ")";
}

std::string own_comm() {
  std::array<char, 16> name{};
  if (::prctl(PR_GET_NAME, name.data()) != 0) return "";
  return std::string(name.data());
}

}  // namespace ivtrace::tracefs
