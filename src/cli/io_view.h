// What `ivtrace io` tells: the model, and its two renderings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ivtrace::cli {

/// Times in nanoseconds, moments from the run's start.
struct IoPhaseView {
  std::string phase;
  std::int64_t total_ns = 0;
  std::uint64_t count = 0;  ///< requests that had this phase
  std::int64_t mean_ns = 0;
  std::int64_t p99_ns = 0;
  std::int64_t max_ns = 0;
  std::int64_t longest_at_ns = 0;
  double share = 0;  ///< of the time of all requests of the group
};

/// Whose requests the host's device had meanwhile.
struct IoLoadView {
  std::string owner;  ///< a guest's name, or "host"
  std::string task;   ///< of the host's own, else ""
  std::string direction;
  double bytes_share = 0;
  double requests_share = 0;
};

struct IoTieView {
  std::string tie;
  std::uint64_t count = 0;
};

struct IoGroupView {
  std::string machine;
  std::string device;  ///< the guest's, "253:0"
  std::string disk;    ///< QEMU's name of it, "" when not known
  std::string image;   ///< "/images/a.img (raw, native, none)", "" when not known
  std::string direction;
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  std::int64_t mean_ns = 0;
  std::int64_t p50_ns = 0;
  std::int64_t p99_ns = 0;
  std::int64_t max_ns = 0;
  std::int64_t longest_at_ns = 0;
  double unattributed_share = 0;    ///< of the time of all requests
  std::vector<IoTieView> ties;      ///< those that occurred
  std::vector<IoPhaseView> phases;  ///< those that occurred, in a request's order
  std::vector<IoLoadView> load;     ///< largest first
};

struct IoStepView {
  std::string phase;
  std::int64_t from_ns = 0;  ///< from the request's begin
  std::int64_t took_ns = 0;
};

struct IoRequestView {
  std::string machine;
  std::string device;
  std::string direction;
  std::uint64_t sector = 0;
  std::uint64_t bytes = 0;
  std::int32_t tid = 0;
  std::string comm;
  std::int64_t at_ns = 0;
  std::int64_t took_ns = 0;
  std::string tie;
  std::string host_device;  ///< "" when not tied
  std::uint32_t host_requests = 0;
  std::int32_t host_thread = 0;
  std::vector<IoStepView> steps;
  std::vector<IoLoadView> load;  ///< largest first
};

struct IoView {
  std::vector<IoGroupView> groups;
  std::vector<IoRequestView> slowest;
  std::uint64_t unfinished = 0;
};

std::string io_text(const IoView& io);
std::string io_json(const IoView& io);

}  // namespace ivtrace::cli
