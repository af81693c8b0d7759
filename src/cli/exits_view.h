// What `ivtrace exits` tells: the model, and its two renderings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ivtrace::cli {

/// A guest's thread that exits hit.
struct ExitTaskView {
  std::int32_t pid = 0;
  std::string comm;  ///< "" when nothing named it
  std::uint64_t count = 0;
};

/// Exits of one vCPU for one reason. Times in nanoseconds, from kvm_exit to the kvm_entry behind it.
struct ExitReasonView {
  std::string reason;
  std::uint64_t count = 0;
  std::uint64_t unfinished = 0;  ///< of them, those that no entry followed
  std::int64_t total_ns = 0;
  std::int64_t mean_ns = 0;
  std::int64_t p99_ns = 0;
  std::int64_t max_ns = 0;
  std::int64_t longest_at_ns = 0;   ///< from the run's start
  double share = 0;                 ///< of the vCPU's time, in the guest and out of it
  std::vector<ExitTaskView> tasks;  ///< most hit first, a few
};

struct VcpuExitsView {
  std::string machine;
  std::int32_t vcpu = -1;
  std::int32_t thread = 0;
  std::int64_t guest_ns = 0;            ///< inside the guest
  std::int64_t host_ns = 0;             ///< between exits and entries
  std::vector<ExitReasonView> reasons;  ///< those that took longest first
};

std::string exits_text(const std::vector<VcpuExitsView>& vcpus);
std::string exits_json(const std::vector<VcpuExitsView>& vcpus);

}  // namespace ivtrace::cli
