// What `ivtrace vcpus` tells: the model, and its two renderings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ivtrace::cli {

/// Times in nanoseconds.
struct StateTimeView {
  std::int64_t total_ns = 0;
  std::uint64_t times = 0;
  std::int64_t longest_ns = 0;
  std::int64_t longest_at_ns = 0;  ///< from the run's start
  double share = 0;                ///< of the time whose state is known
};

struct VcpuStateView {
  std::string state;
  StateTimeView time;
};

/// Who had the CPU while the vCPU was ready to run.
struct PreemptorView {
  std::int32_t tid = -1;  ///< 0: the CPU was idle, -1: not known
  std::string comm;
  std::string machine;  ///< the guest it works for, "host" for a task of the host's own
  StateTimeView time;
};

/// One host thread and the vCPUs that it runs: one, or under TCG perhaps several.
struct VcpuTimesView {
  std::string machine;
  std::vector<std::int32_t> vcpus;
  std::int32_t thread = 0;
  std::int64_t known_ns = 0;
  std::int64_t unknown_ns = 0;
  std::vector<VcpuStateView> states;        ///< those that occurred, in the order of VcpuState
  std::vector<PreemptorView> preempted_by;  ///< longest first
};

std::string vcpus_text(const std::vector<VcpuTimesView>& vcpus);
std::string vcpus_json(const std::vector<VcpuTimesView>& vcpus);

}  // namespace ivtrace::cli
