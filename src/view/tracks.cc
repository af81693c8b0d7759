#include "view/tracks.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace ivtrace::view {
namespace {

constexpr int kMinorBits = 20;  // as the kernel has them

std::optional<std::int64_t> device_number(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {};
  std::int64_t major = 0;
  std::int64_t minor = 0;
  const char* const end = text.data() + text.size();
  if (std::from_chars(text.data(), text.data() + colon, major).ec != std::errc() ||
      std::from_chars(text.data() + colon + 1, end, minor).ec != std::errc())
    return {};
  return major << kMinorBits | minor;
}

}  // namespace

const timeline::Track* find_track(std::span<const timeline::Track> tracks, std::uint32_t id) {
  const auto found = std::find_if(tracks.begin(), tracks.end(),
                                  [id](const timeline::Track& track) { return track.id == id; });
  return found == tracks.end() ? nullptr : &*found;
}

std::int64_t Tracks::machine(std::string_view name) const {
  for (std::size_t i = 0; i < run_.machines().size(); ++i) {
    if (run_.machines()[i].info.name == name) return static_cast<std::int64_t>(i);
  }
  return kNone;
}

std::int64_t Tracks::find(std::int64_t machine, timeline::TrackKind kind, std::int64_t number) const {
  for (const timeline::Track& track : tracks_) {
    if (track.machine == machine && track.kind == kind && track.number == number) return track.id;
  }
  return kNone;
}

std::int64_t Tracks::disk(std::int64_t machine, std::string_view device) const {
  const std::optional<std::int64_t> number = device_number(device);
  return number ? find(machine, timeline::TrackKind::kDisk, *number) : kNone;
}

std::int64_t Tracks::thread(std::int64_t machine, std::int64_t tid) const {
  if (machine < 0) return kNone;
  for (const run::VcpuRecord& vcpu : run_.machines()[static_cast<std::size_t>(machine)].vcpus) {
    if (vcpu.thread == tid) return find(machine, timeline::TrackKind::kVcpu, vcpu.index);
  }
  return find(machine, timeline::TrackKind::kThread, tid);
}

std::string device_text(std::int64_t number) {
  return std::to_string(number >> kMinorBits) + ":" + std::to_string(number & ((1 << kMinorBits) - 1));
}

}  // namespace ivtrace::view
