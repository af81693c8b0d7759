#include "cli/limits_view.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace ivtrace::cli {
namespace {

using Json = nlohmann::ordered_json;

Json or_null(std::uint64_t limit) { return limit == 0 ? Json() : Json(limit); }

double cpus(std::uint64_t us) { return static_cast<double>(us) / 1e6; }

}  // namespace

Json limits_json(const format::DiskLimits& limits) {
  if (!limits.any()) return nullptr;
  return {{"iops", or_null(limits.iops)},
          {"iops_read", or_null(limits.iops_read)},
          {"iops_write", or_null(limits.iops_write)},
          {"bps", or_null(limits.bps)},
          {"bps_read", or_null(limits.bps_read)},
          {"bps_write", or_null(limits.bps_write)},
          {"by", limits.by}};
}

Json cpu_limit_json(std::uint64_t us) { return us == 0 ? Json() : Json(cpus(us)); }

std::string cpu_limit_text(std::uint64_t us) {
  return fmt::format("its vCPUs may have {:.2f} CPUs together (cgroup)", cpus(us));
}

}  // namespace ivtrace::cli
