#include "tracefs/printk_dest.h"

#include <unistd.h>

#include "base/text.h"

namespace ivtrace::tracefs {
namespace {

constexpr const char* kOption = "trace_printk_dest";

}  // namespace

bool has_printk_dest(const TraceDir& dir) {
  return ::faccessat(dir.fd(), ("options/" + std::string(kOption)).c_str(), F_OK, 0) == 0;
}

Status send_printk_to(const TraceDir& dir, Instance& instance) {
  IVT_ASSIGN_OR_RETURN(const std::vector<std::string> names, Instance::list(dir));
  for (const std::string& name : names) {
    if (name == instance.name()) continue;
    const auto set = read_file_at(dir.fd(), "instances/" + name + "/options/" + kOption, 4096);
    if (!set || trim(*set) != "1") continue;
    return Error(ErrorCode::kBusy, "trace_printk goes to the tracing instance " + name + " of another tool",
                 "end that first; ivtrace changes nothing of another tool's tracing");
  }
  return instance.set_option(kOption, true);
}

}  // namespace ivtrace::tracefs
