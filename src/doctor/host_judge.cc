#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "doctor/host.h"

namespace ivtrace::doctor {
namespace {

using format::Check;

Check ok(const char* name, std::string detail) { return {name, "ok", std::move(detail), ""}; }
Check warning(const char* name, std::string detail, std::string hint) {
  return {name, "warning", std::move(detail), std::move(hint)};
}
Check missing(const char* name, std::string detail, std::string hint) {
  return {name, "missing", std::move(detail), std::move(hint)};
}

bool has_word(std::string_view text, std::string_view word) {
  const std::vector<std::string_view> words = split(text, ' ');
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string joined(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

Check judge_kernel(const HostFacts& facts) {
  const std::uint32_t version = kernel_version(facts.kernel_release);
  if (version == 0)
    return warning("kernel", "release \"" + facts.kernel_release + "\" is not understood", "");
  if (version < 5000) {
    return missing("kernel", facts.kernel_release + " is too old",
                   "Linux 5.0 or later is needed, 6.1 or later is tested");
  }
  const char* const feed =
      version >= 6010 ? "buffers can be mapped" : "buffers are read, mapping comes with 6.10";
  return ok("kernel", facts.kernel_release + ": " + feed);
}

Check judge_tsc(const HostFacts& facts) {
  if (has_word(facts.cpu_flags, "constant_tsc") && has_word(facts.cpu_flags, "nonstop_tsc")) {
    return ok("tsc", fmt::format("constant and never stops, clocksource {}", facts.clocksource));
  }
  return warning("tsc", "the CPU does not promise a constant, never stopping time-stamp counter",
                 "times may drift; see the clock's error in ivtrace info");
}

Check judge_kvm(const HostFacts& facts) {
  if (!facts.kvm_device) {
    return warning("kvm", "/dev/kvm is not there: guests run under TCG",
                   "their clocks come from the handshake alone");
  }
  if (!facts.kvm_problem.empty()) {
    return warning("kvm", facts.kvm_problem, "guests' clocks come from the handshake alone");
  }
  return ok("kvm", "KVM tells the guests' clock offsets");
}

Check judge_disk(const HostFacts& facts) {
  if (!facts.disk_problem.empty()) {
    return missing("disk", facts.disk_problem, "name a directory that exists with -o");
  }
  const std::string free = fmt::format("{} free in {}", format_size(facts.disk_free), facts.output_directory);
  if (facts.disk_free <= facts.disk_floor) {
    return missing("disk", free,
                   fmt::format("record keeps {} free: make room or write elsewhere with -o",
                               format_size(facts.disk_floor)));
  }
  if (facts.disk_free - facts.disk_floor < (1ull << 30)) {
    return warning("disk", free, "a busy machine writes tens of MB a second; see record --max-size");
  }
  return ok("disk", free);
}

Check judge_guests(const HostFacts& facts) {
  if (!facts.guests_problem.empty()) return warning("guests", facts.guests_problem, "");
  if (facts.guests.empty())
    return warning("guests", "no QEMU guest runs here", "the host alone can be recorded");
  return ok("guests", joined(facts.guests));
}

}  // namespace

std::uint32_t kernel_version(std::string_view release) {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  const char* const end = release.data() + release.size();
  const auto first = std::from_chars(release.data(), end, major);
  if (first.ec != std::errc{} || first.ptr == end || *first.ptr != '.' || major > 1000) return 0;
  const auto second = std::from_chars(first.ptr + 1, end, minor);
  if (second.ec != std::errc{} || minor > 999) return 0;
  return major * 1000 + minor;
}

std::vector<Check> judge_host(const HostFacts& facts) {
  return {judge_kernel(facts), judge_tsc(facts), judge_kvm(facts), judge_disk(facts), judge_guests(facts)};
}

}  // namespace ivtrace::doctor
