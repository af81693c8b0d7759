// What `ivtrace guests` tells: the model, and its two renderings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "format/disk_limits.h"

namespace ivtrace::cli {

/// One QEMU guest of this host, as far as it is known. Owns everything; unknown numbers are empty or
/// negative.
struct GuestView {
  struct Vcpu {
    std::int32_t index = -1;
    std::int32_t thread = 0;  ///< host thread id
    std::int64_t apic_id = -1;
  };
  struct Disk {
    std::string device;
    std::string path;
    std::string format;
    std::string aio;
    std::string cache;
    format::DiskLimits limits;
  };
  struct Ring {
    std::string path;
    std::uint64_t bytes = 0;
    bool usable = false;  ///< holds a layout that this version reads
    std::uint32_t cpus = 0;
    std::string problem;  ///< why it is not usable
  };

  std::int32_t pid = 0;
  std::string name;
  std::string uuid;
  std::string accel;
  std::uint64_t cpu_limit_us = 0;  ///< CPU time of its vCPUs in each second; 0: no limit is known
  std::vector<Vcpu> vcpus;
  std::vector<Disk> disks;
  std::optional<Ring> ring;
  bool agent_alive = false;
  bool being_recorded = false;
  std::string monitor;               ///< "ok", "busy", "none" or what went wrong
  std::vector<std::string> unknown;  ///< what could not be found out, and why
};

/// A table for people, then a line for each thing that is unknown or wrong.
std::string guests_text(const std::vector<GuestView>& guests);
/// {"guests":[…]}, one line per call.
std::string guests_json(const std::vector<GuestView>& guests);

}  // namespace ivtrace::cli
