#include "hypervisor/cgroup.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/fd.h"
#include "base/text.h"

namespace ivtrace::hypervisor {
namespace {

constexpr std::size_t kMaxMountInfo = 16u << 20;
constexpr std::size_t kMaxFile = 256u << 10;
constexpr std::uint64_t kSecondUs = 1'000'000;
constexpr int kMaxStacked = 8;
constexpr std::size_t kMaxVcpus = 8192;

/// mountinfo writes blanks and such in octal: "\040".
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t at) { return at < text.size() ? text[at] - '0' : -1; };
    const bool octal = text[i] == '\\' && digit(i + 1) >= 0 && digit(i + 1) <= 3 && digit(i + 2) >= 0 &&
                       digit(i + 2) <= 7 && digit(i + 3) >= 0 && digit(i + 3) <= 7;
    out += octal ? static_cast<char>(digit(i + 1) * 64 + digit(i + 2) * 8 + digit(i + 3)) : text[i];
    if (octal) i += 3;
  }
  return out;
}

bool lists(std::string_view list, std::string_view item) {
  const auto items = split(list, ',');
  return std::find(items.begin(), items.end(), item) != items.end();
}

/// The path below the mounted group; nothing when it lies elsewhere.
std::optional<std::string> below(const std::string& root, std::string_view path) {
  if (path.find("/..") != path.npos) return std::nullopt;  // outside of our namespace's root
  if (path == "/") path = {};
  if (root == "/") return std::string(path);
  if (!path.starts_with(root) || (path.size() > root.size() && path[root.size()] != '/')) return std::nullopt;
  return std::string(path.substr(root.size()));
}

/// The group and its ancestors up to the mounted one, "" last.
std::vector<std::string> with_ancestors(std::string path) {
  std::vector<std::string> paths;
  for (; !path.empty(); path.resize(std::min(path.rfind('/'), path.size() - 1))) paths.push_back(path);
  paths.emplace_back();
  return paths;
}

/// 0 where there is no such file or no number in it ("max", "-1").
std::uint64_t number_in(const std::string& path) {
  const auto text = read_file(path, 64);
  const auto number = text ? parse_u64(trim(*text)) : parse_u64("");
  return number ? *number : 0;
}

void tighten(format::DiskLimits& limits, std::uint64_t format::DiskLimits::*field, std::string_view text) {
  const auto number = parse_u64(text);
  if (!number || *number == 0 || *number >= format::kNoSuchLimit) return;
  std::uint64_t& limit = limits.*field;
  limit = limit == 0 ? *number : std::min(limit, *number);
  limits.by = "cgroup";
}

bool is_one_of(std::string_view device, std::span<const std::string> devices) {
  return std::find(devices.begin(), devices.end(), device) != devices.end();
}

/// v2: "254:0 rbps=max wbps=1048576 riops=max wiops=max".
void take_io_max(const std::string& directory, std::span<const std::string> devices,
                 format::DiskLimits& limits) {
  const auto text = read_file(directory + "/io.max", kMaxFile);
  if (!text) return;
  for (const std::string_view line : split(*text, '\n')) {
    const auto words = split(line, ' ');
    if (!is_one_of(words.front(), devices)) continue;
    for (const std::string_view word : words) {
      const std::size_t equals = word.find('=');
      if (equals == word.npos) continue;
      const std::string_view key = word.substr(0, equals);
      const std::string_view value = word.substr(equals + 1);
      if (key == "rbps") tighten(limits, &format::DiskLimits::bps_read, value);
      if (key == "wbps") tighten(limits, &format::DiskLimits::bps_write, value);
      if (key == "riops") tighten(limits, &format::DiskLimits::iops_read, value);
      if (key == "wiops") tighten(limits, &format::DiskLimits::iops_write, value);
    }
  }
}

/// v1: "254:0 100" in a file for each limit.
void take_blkio(const std::string& directory, std::span<const std::string> devices,
                format::DiskLimits& limits) {
  static const std::map<std::string, std::uint64_t format::DiskLimits::*> kFiles = {
      {"read_iops", &format::DiskLimits::iops_read},
      {"write_iops", &format::DiskLimits::iops_write},
      {"read_bps", &format::DiskLimits::bps_read},
      {"write_bps", &format::DiskLimits::bps_write}};
  for (const auto& [name, field] : kFiles) {
    const auto text = read_file(directory + "/blkio.throttle." + name + "_device", kMaxFile);
    if (!text) continue;
    for (const std::string_view line : split(*text, '\n')) {
      const std::size_t blank = std::min(line.find(' '), line.size());
      if (is_one_of(line.substr(0, blank), devices)) tighten(limits, field, trim(line.substr(blank)));
    }
  }
}

std::uint64_t smaller_limit(std::uint64_t a, std::uint64_t b) {
  return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b);
}

/// How long a stretch at the front, of whole names, two groups' paths have in common.
std::size_t common_length(const std::string& a, const std::string& b) {
  const auto whole = with_ancestors(a);
  const auto common = std::find_if(whole.begin(), whole.end(), [&](const std::string& path) {
    return b.starts_with(path) && (b.size() == path.size() || b[path.size()] == '/');
  });
  return common->size();  // "" is one of all
}

}  // namespace

Result<ControlGroups> ControlGroups::find(const std::string& proc) {
  ControlGroups groups;
  groups.proc_ = proc;
  IVT_ASSIGN_OR_RETURN(const std::string text, read_file(proc + "/self/mountinfo", kMaxMountInfo));
  for (const std::string_view line : split(text, '\n')) {
    // "35 31 0:32 /root /mounted/at options optional… - type source super-options"
    const std::size_t dash = line.find(" - ");
    if (dash == line.npos) continue;
    const auto head = split(line.substr(0, dash), ' ');
    const auto tail = split(line.substr(dash + 3), ' ');
    if (head.size() < 6 || tail.size() < 3) continue;
    const Mount mount{"", unescaped(head[3]), unescaped(head[4])};
    if (tail[0] == "cgroup2") groups.mounts_.push_back(mount);
    for (const char* controller : {"cpu", "blkio"}) {
      if (tail[0] != "cgroup" || !lists(tail[2], controller)) continue;
      groups.mounts_.push_back(mount);
      groups.mounts_.back().controller = controller;
    }
  }
  return groups;
}

Result<std::vector<ControlGroups::Group>> ControlGroups::groups_of(const std::string& task,
                                                                   const std::string& controller) const {
  std::vector<Group> groups;
  IVT_ASSIGN_OR_RETURN(const std::string text, read_file(proc_ + "/" + task + "/cgroup", kMaxFile));
  for (const std::string_view line : split(text, '\n')) {
    // "7:blkio:/a/b"; v2: "0::/a/b". A name may hold colons.
    const std::size_t first = line.find(':');
    const std::size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    if (!controllers.empty() && !lists(controllers, controller)) continue;
    const std::string_view path = line.substr(second + 1);
    bool mounted = false;
    bool seen = false;
    for (const Mount& mount : mounts_) {
      if (mount.controller != (controllers.empty() ? "" : controller)) continue;
      mounted = true;
      const auto there = below(mount.root, path);
      if (!there || seen) continue;
      seen = true;
      groups.push_back({&mount, *there});
    }
    if (mounted && !seen) {
      return Error(ErrorCode::kUnsupported,
                   fmt::format("the control group {} cannot be seen from here", path));
    }
  }
  return groups;
}

Result<format::DiskLimits> ControlGroups::disk_limits(Pid pid, std::span<const std::string> devices) const {
  format::DiskLimits limits;
  if (devices.empty() || mounts_.empty()) return limits;
  IVT_ASSIGN_OR_RETURN(const std::vector<Group> groups, groups_of(std::to_string(pid.value), "blkio"));
  for (const Group& group : groups) {
    if (!group.mount->controller.empty()) {
      take_blkio(group.mount->directory + group.path, devices, limits);
      continue;
    }
    for (const std::string& path : with_ancestors(group.path))
      take_io_max(group.mount->directory + path, devices, limits);
  }
  return limits;
}

std::uint64_t ControlGroups::cpu_limit_at(const Group& group) const {
  const std::string directory = group.mount->directory + group.path;
  std::uint64_t quota = 0;
  std::uint64_t period = 0;
  if (group.mount->controller.empty()) {
    const auto text = read_file(directory + "/cpu.max", 64);  // "50000 100000", "max 100000"
    if (!text) return 0;
    const auto words = split(trim(*text), ' ');
    const auto first = parse_u64(words.front());
    const auto last = parse_u64(words.back());
    quota = first ? *first : 0;
    period = last ? *last : 0;
  } else {
    quota = number_in(directory + "/cpu.cfs_quota_us");
    period = number_in(directory + "/cpu.cfs_period_us");
  }
  if (quota == 0 || period == 0 || quota > UINT64_MAX / kSecondUs) return 0;
  return std::max<std::uint64_t>(quota * kSecondUs / period, 1);
}

/// The smallest of the group and its ancestors, without `ancestor` and what is above it; of all with nullptr.
std::uint64_t ControlGroups::cpu_limit_below(const std::string* ancestor, const Group& group) const {
  std::uint64_t limit = 0;
  for (const std::string& path : with_ancestors(group.path)) {
    if (ancestor != nullptr && path.size() <= ancestor->size()) break;
    limit = smaller_limit(limit, cpu_limit_at({group.mount, path}));
  }
  return limit;
}

Result<std::uint64_t> ControlGroups::cpu_limit_us(Pid pid, std::span<const Tid> threads) const {
  if (mounts_.empty()) return std::uint64_t{0};
  const std::string process = std::to_string(pid.value);
  // Groups of each hierarchy, and how many of the threads are in each.
  std::map<const Mount*, std::map<std::string, std::uint64_t>> counted;
  for (const Tid thread : threads.first(std::min(threads.size(), kMaxVcpus))) {
    const auto groups = groups_of(fmt::format("{}/task/{}", process, thread.value), "cpu");
    if (!groups && groups.error().code == ErrorCode::kUnsupported) return groups.error();
    if (!groups) continue;
    for (const Group& group : *groups) ++counted[group.mount][group.path];
  }
  if (counted.empty()) {
    IVT_ASSIGN_OR_RETURN(const std::vector<Group> groups, groups_of(process, "cpu"));
    for (const Group& group : groups) ++counted[group.mount][group.path];
  }
  std::uint64_t limit = 0;
  for (const auto& [mount, paths] : counted) {
    std::string common = paths.begin()->first;
    for (const auto& [path, count] : paths) common.resize(common_length(common, path));
    limit = smaller_limit(limit, cpu_limit_below(nullptr, {mount, common}));
    if (paths.size() == 1) continue;
    // Below what all have in common each group has its own; one without a limit has a CPU for each thread.
    std::uint64_t sum = 0;
    bool limited = false;
    for (const auto& [path, count] : paths) {
      const std::uint64_t own = cpu_limit_below(&common, {mount, path});
      limited = limited || own != 0;
      sum += smaller_limit(own, count * kSecondUs);
    }
    if (limited) limit = smaller_limit(limit, sum);
  }
  return limit;
}

std::vector<std::string> limited_devices(std::uint64_t device, const std::string& sys) {
  std::vector<std::string> devices;
  std::string directory =
      fmt::format("{}/dev/block/{}:{}", sys, gnu_dev_major(device), gnu_dev_minor(device));
  for (int depth = 0; depth < kMaxStacked; ++depth) {
    struct stat status {};
    if (::stat((directory + "/partition").c_str(), &status) == 0) directory += "/..";
    const auto number = read_file(directory + "/dev", 64);
    if (!number) break;
    devices.emplace_back(trim(*number));
    const auto below = list_directory(directory + "/slaves");
    if (!below || below->size() != 1) break;
    directory += "/slaves/" + below->front();
  }
  return devices;
}

}  // namespace ivtrace::hypervisor
