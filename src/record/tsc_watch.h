// kvm:kvm_write_tsc_offset in an instance of its own: the moment at which KVM changes a vCPU's TSC offset.
// The event is rare and would drown in a busy buffer, so it has one that holds nothing else.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/units.h"
#include "tracefs/instance.h"

namespace ivtrace::record {

/// KVM set a vCPU's offset. A KVM event belongs to the vCPU whose thread raised it.
struct TscOffsetWrite {
  Tid thread;
  std::uint32_t vcpu_id = 0;  ///< KVM's: the APIC ID
  std::int64_t offset = 0;
  HostTsc at;
};

/// One line of trace_pipe under the x86-tsc clock; empty when it is none of this event.
std::optional<TscOffsetWrite> parse_tsc_offset_line(std::string_view line);

/// Owns the instance. One thread.
class TscWatch {
 public:
  static constexpr const char* kEvent = "kvm:kvm_write_tsc_offset";

  static Result<std::unique_ptr<TscWatch>> create(const tracefs::TraceDir& dir, const std::string& name);
  /// What happened since the last call. Never blocks.
  std::vector<TscOffsetWrite> take();
  Status remove();

 private:
  TscWatch(tracefs::Instance instance, UniqueFd pipe)
      : instance_(std::move(instance)), pipe_(std::move(pipe)) {}
  tracefs::Instance instance_;
  UniqueFd pipe_;
  std::string rest_;  // of the last line
};

}  // namespace ivtrace::record
