#include "hypervisor/block_stack.h"

#include <fmt/format.h>
#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "base/text.h"

namespace ivtrace::hypervisor {
namespace {

constexpr std::uint64_t kSector = 512;
/// Targets that pass bios on at once (drivers/md/dm-NAME.c), and multipath, which has requests of its own.
/// Not: raid and mirror, snapshot, cache, vdo, integrity and others that make up requests or move data.
constexpr std::string_view kAtOnce[] = {"linear", "striped", "unstriped", "flakey", "switch", "multipath"};
/// Those that may do so later, which the kernel tells since 5.18 (dm_submit_bio_remap()). A thin volume's
/// pool lies below it; nothing is written to it but through the volumes.
constexpr std::string_view kLater[] = {"crypt", "delay", "thin", "thin-pool"};
constexpr std::pair kLaterIsTold(5u, 18u);
constexpr std::string_view kFollowedLevels[] = {"linear", "raid0", "raid1", "raid10"};

template <class Names>
bool contains(const Names& names, std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

/// "MAJOR:MINOR" in a device's `dev`.
std::optional<dev_t> number_in(const std::string& path) {
  const auto content = read_file(path, 64);
  if (!content) return std::nullopt;
  const auto parts = split(trim(*content), ':');
  if (parts.size() != 2) return std::nullopt;
  const auto major_part = parse_u64(parts[0]);
  const auto minor_part = parse_u64(parts[1]);
  if (!major_part || !minor_part) return std::nullopt;
  return makedev(static_cast<unsigned>(*major_part), static_cast<unsigned>(*minor_part));
}

/// "6.1.0-13-amd64" → 6, 1; zeroes when it is no such thing.
std::pair<unsigned, unsigned> version_of(const std::string& release) {
  unsigned major_part = 0, minor_part = 0;
  if (std::sscanf(release.c_str(), "%u.%u", &major_part, &minor_part) != 2) return {0, 0};
  return {major_part, minor_part};
}

std::string running_release() {
  utsname name{};
  return ::uname(&name) == 0 ? name.release : "";
}

Error not_followed(const std::string& what) {
  return Error(ErrorCode::kUnsupported,
               "it lies on " + what + ": the kernel does not tell where its requests go",
               "LVM's linear, striped and thin volumes, crypt, and md without parity are followed");
}

/// Looks through one device and all below it.
class Walk {
 public:
  Walk(const BlockStackOptions& options, std::vector<std::string>& layers)
      : options_(options),
        layers_(layers),
        release_(options.release.empty() ? running_release() : options.release) {}

  /// `directory`: of a whole device or a partition.
  Status look(const std::string& directory) {
    const std::string device =
        exists(directory + "/partition") || exists(directory + "/start") ? directory + "/.." : directory;
    if (++seen_ > BlockStackOptions::kMaxDevices) return not_followed("more devices than are looked at");
    if (exists(device + "/dm")) {
      IVT_RETURN_IF_ERROR(look_at_targets(device));
    } else if (exists(device + "/md")) {
      const auto level = read_file(device + "/md/level", 64);
      const std::string_view name = level ? trim(*level) : std::string_view("of unknown level");
      if (!contains(kFollowedLevels, name)) return not_followed(fmt::format("md {}", name));
      add(fmt::format("md {}", name));
    } else if (has_slaves(device)) {
      return not_followed("a driver that is neither device-mapper nor md");
    }
    return look_below(device);
  }

 private:
  void add(std::string layer) {
    if (!contains(layers_, layer)) layers_.push_back(std::move(layer));
  }

  Status look_at_targets(const std::string& device) {
    const auto number = number_in(device + "/dev");
    if (!number) return Error(ErrorCode::kIo, "cannot read " + device + "/dev");
    IVT_ASSIGN_OR_RETURN(const std::vector<std::string> targets,
                         options_.dm_targets ? options_.dm_targets(*number) : dm_targets_of(*number));
    for (const std::string& target : targets) {
      const bool later = contains(kLater, target);
      if (!later && !contains(kAtOnce, target)) return not_followed("device-mapper " + target);
      if (later && version_of(release_) < kLaterIsTold)
        return not_followed("device-mapper " + target + " of a kernel before 5.18");
      add("device-mapper " + target);
    }
    return {};
  }

  static bool has_slaves(const std::string& device) {
    std::error_code error;
    const std::filesystem::directory_iterator slaves(device + "/slaves", error);
    return !error && slaves != std::filesystem::directory_iterator();
  }

  Status look_below(const std::string& device) {
    std::error_code error;
    for (const auto& slave : std::filesystem::directory_iterator(device + "/slaves", error)) {
      const std::filesystem::path directory = std::filesystem::canonical(slave.path(), error);
      if (error) continue;
      IVT_RETURN_IF_ERROR(look(directory.string()));
    }
    return {};
  }

  const BlockStackOptions& options_;
  std::vector<std::string>& layers_;
  std::string release_;
  std::size_t seen_ = 0;
};

/// The names in what DM_TABLE_STATUS gave; specs whose `next` leads nowhere end it.
std::vector<std::string> target_names(const std::vector<std::byte>& buffer) {
  std::vector<std::string> names;
  dm_ioctl head;
  std::memcpy(&head, buffer.data(), sizeof head);
  std::size_t at = head.data_start;
  for (std::uint32_t i = 0; i < head.target_count; ++i) {
    dm_target_spec spec;
    if (at > buffer.size() || buffer.size() - at < sizeof spec) break;
    std::memcpy(&spec, buffer.data() + at, sizeof spec);
    const std::string name(spec.target_type, ::strnlen(spec.target_type, sizeof spec.target_type));
    if (!contains(names, name)) names.push_back(name);
    at = head.data_start + std::size_t{spec.next};
  }
  return names;
}

}  // namespace

Result<std::vector<std::string>> dm_targets_of(dev_t number) {
  constexpr std::size_t kMostBytes = 4u << 20;
  const std::string control = "/dev/mapper/control";
  IVT_ASSIGN_OR_RETURN(const UniqueFd fd, open_file(control, O_RDWR));
  for (std::size_t size = 16u << 10; size <= kMostBytes; size *= 4) {
    std::vector<std::byte> buffer(size);
    dm_ioctl head{};
    head.version[0] = DM_VERSION_MAJOR;
    head.data_size = static_cast<std::uint32_t>(size);
    head.data_start = sizeof head;
    // The state, not the table: that of a crypt device has its key.
    head.flags = DM_NOFLUSH_FLAG;
    head.dev = number;
    std::memcpy(buffer.data(), &head, sizeof head);
    if (::ioctl(fd.get(), DM_TABLE_STATUS, buffer.data()) != 0)
      return errno_error(errno, fmt::format("cannot ask device-mapper for the targets of {}:{}",
                                            major(number), minor(number)));
    std::memcpy(&head, buffer.data(), sizeof head);
    if ((head.flags & DM_BUFFER_FULL_FLAG) == 0) return target_names(buffer);
  }
  return Error(ErrorCode::kUnsupported, "the device-mapper device has too many targets");
}

Result<BlockPlace> block_place_of(dev_t number, const BlockStackOptions& options) {
  const std::string directory = fmt::format("{}/dev/block/{}:{}", options.sys, major(number), minor(number));
  struct stat status {};
  if (::stat(directory.c_str(), &status) != 0) {
    return Error(ErrorCode::kUnsupported, "its file system has no block device of its own",
                 "an image on a network, overlay or memory file system has no host block layer to look at");
  }
  BlockPlace place;
  IVT_RETURN_IF_ERROR(Walk(options, place.layers).look(directory));
  const auto kernel_number = [](dev_t device) { return major(device) << 20 | minor(device); };
  place.device = kernel_number(number);
  const auto start = read_file(directory + "/start", 64);
  if (!start) return place;
  const auto whole = number_in(directory + "/../dev");
  if (!whole) return Error(ErrorCode::kIo, "cannot read " + directory + "/../dev");
  const auto first = parse_u64(trim(*start));
  if (!first) return Error(ErrorCode::kIo, "cannot tell where partition " + directory + " begins");
  place.device = kernel_number(*whole);
  place.start = *first * kSector;
  return place;
}

}  // namespace ivtrace::hypervisor
