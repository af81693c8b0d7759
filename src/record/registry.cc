#include "record/registry.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "format/run_layout.h"
#include "tracefs/top_level.h"

namespace ivtrace::record {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxEntry = 4u << 20;

template <class T>
T number(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned()) return T{};
  return static_cast<T>(found->get<std::uint64_t>());
}

std::string text(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// The list of objects under `key`; empty when it is not one.
std::vector<json> objects(const json& object, const char* key) {
  std::vector<json> found;
  const auto list = object.find(key);
  if (list == object.end() || !list->is_array()) return found;
  std::copy_if(list->begin(), list->end(), std::back_inserter(found),
               [](const json& one) { return one.is_object(); });
  return found;
}

}  // namespace

std::uint64_t process_start_time(std::int32_t pid) {
  auto stat = read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (!stat) return 0;
  const std::size_t behind_name = stat->rfind(')');  // the name may hold anything, also blanks and brackets
  if (behind_name == std::string::npos) return 0;
  const std::vector<std::string_view> fields = split(std::string_view(*stat).substr(behind_name + 1), ' ');
  constexpr std::size_t kStartTime = 20;  // field 22; the first piece here is the blank before field 3
  if (fields.size() <= kStartTime) return 0;
  auto ticks = parse_u64(fields[kStartTime]);
  return ticks ? *ticks : 0;
}

std::string current_boot_id() {
  auto id = read_file("/proc/sys/kernel/random/boot_id", 4096);
  return id ? std::string(trim(*id)) : std::string();
}

bool alive(const RegistryEntry& entry) {
  return entry.boot_id == current_boot_id() && process_start_time(entry.pid) == entry.start_time &&
         entry.start_time != 0;
}

std::string encode_entry(const RegistryEntry& entry) {
  json object = {
      {"pid", entry.pid}, {"start_time", entry.start_time}, {"boot_id", entry.boot_id}, {"run", entry.run}};
  object["instances"] = json::array();
  for (const auto& instance : entry.instances) {
    object["instances"].push_back({{"name", instance.name}, {"buffer", instance.buffer}});
  }
  object["rings"] = json::array();
  for (const auto& ring : entry.rings) {
    object["rings"].push_back({{"machine", ring.machine},
                               {"path", ring.path},
                               {"generation", ring.generation},
                               {"stream_generation", ring.stream_generation},
                               {"session", ring.session}});
  }
  return object.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<RegistryEntry> decode_entry(const std::string& content) {
  const auto shallow = [](int depth, json::parse_event_t, json&) { return depth <= 4; };
  const json object = json::parse(content, shallow, false);
  if (!object.is_object()) return Error(ErrorCode::kCorrupt, "not a JSON object");
  RegistryEntry entry;
  entry.pid = number<std::int32_t>(object, "pid");
  entry.start_time = number<std::uint64_t>(object, "start_time");
  entry.boot_id = text(object, "boot_id");
  entry.run = text(object, "run");
  if (entry.pid <= 0 || entry.start_time == 0) return Error(ErrorCode::kCorrupt, "no pid or start time");
  for (const json& one : objects(object, "instances")) {
    RegistryEntry::Instance instance{text(one, "name"), text(one, "buffer")};
    const bool sane = instance.buffer.empty() || format::valid_machine_name(instance.buffer);
    const bool ours =
        recorder_of_instance(instance.name) == entry.pid || instance.name == tracefs::kTopLevelName;
    if (!ours || !sane) {
      return Error(ErrorCode::kCorrupt,
                   "\"" + instance.name + "\" is no instance of recorder " + std::to_string(entry.pid));
    }
    entry.instances.push_back(std::move(instance));
  }
  for (const json& one : objects(object, "rings")) {
    RegistryEntry::Ring ring{
        text(one, "machine"), text(one, "path"), number<std::uint64_t>(one, "generation"),
        number<std::uint64_t>(one, "stream_generation"), number<std::uint64_t>(one, "session")};
    if (!format::valid_machine_name(ring.machine))
      return Error(ErrorCode::kCorrupt, "an impossible machine name");
    entry.rings.push_back(std::move(ring));
  }
  return entry;
}

std::string top_level_state(const std::string& state_directory) { return state_directory + "/top-level"; }

std::int32_t recorder_of_instance(const std::string& name) {
  constexpr std::string_view kPrefix = "ivtrace-";
  if (!name.starts_with(kPrefix)) return 0;
  std::int32_t pid = 0;
  const auto [end, error] = std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), pid);
  if (error != std::errc() || pid <= 0) return 0;
  const std::string_view rest(end, static_cast<std::size_t>(name.data() + name.size() - end));
  return rest.empty() || rest == "-sys" || rest == "-tsc" || rest == "-check" ? pid : 0;
}

Result<HostLock> HostLock::take(const std::string& state_directory, std::int32_t* holder) {
  std::error_code error;
  std::filesystem::create_directories(state_directory, error);
  const std::string path = state_directory + "/lock";
  IVT_ASSIGN_OR_RETURN(UniqueFd fd, open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return errno_error(errno, "cannot lock " + path);
    auto pid = read_file(path, 64);
    const auto value = pid ? parse_i64(trim(*pid)) : Result<std::int64_t>(std::int64_t{0});
    if (holder != nullptr && value) *holder = static_cast<std::int32_t>(*value);
    return Error(ErrorCode::kBusy,
                 "another ivtrace is recording on this host" +
                     (value && *value > 0 ? " (pid " + std::to_string(*value) + ")" : std::string()),
                 "wait until it has finished, or stop it with Ctrl-C or SIGINT");
  }
  const std::string own = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd.get(), 0) != 0) return errno_error(errno, "cannot write " + path);
  IVT_RETURN_IF_ERROR(pwrite_all(fd.get(), std::as_bytes(std::span(own)), 0, path));
  return HostLock(std::move(fd));
}

// Explicitly: a child that was forked without exec would keep the lock with its copy of the descriptor.
HostLock::~HostLock() {
  if (fd_.valid()) ::flock(fd_.get(), LOCK_UN);
}

std::vector<std::pair<std::string, RegistryEntry>> read_registry(const std::string& state_directory,
                                                                 std::vector<std::string>& problems) {
  std::vector<std::pair<std::string, RegistryEntry>> entries;
  auto names = list_directory(state_directory);
  if (!names) return entries;
  for (const std::string& name : *names) {
    if (!name.ends_with(".json")) continue;
    const std::string path = state_directory + "/" + name;
    auto content = read_file(path, kMaxEntry);
    auto entry = content ? decode_entry(*content) : Result<RegistryEntry>(content.error());
    if (entry) {
      entries.emplace_back(path, *std::move(entry));
    } else {
      problems.push_back(path + ": " + entry.error().message);
    }
  }
  return entries;
}

Registration::Registration(std::string state_directory, std::string run) {
  entry_.pid = ::getpid();
  entry_.start_time = process_start_time(entry_.pid);
  entry_.boot_id = current_boot_id();
  std::error_code error;
  entry_.run = std::filesystem::absolute(run, error).string();
  path_ = std::move(state_directory) + "/ivtrace-" + std::to_string(entry_.pid) + ".json";
}

Status Registration::add_instance(const std::string& name, const std::string& buffer) {
  const std::lock_guard lock(mutex_);
  entry_.instances.push_back({name, buffer});
  return save();
}

Status Registration::set_ring(const RegistryEntry::Ring& ring) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entry_.rings, [&](const auto& known) { return known.machine == ring.machine; });
  entry_.rings.push_back(ring);
  return save();
}

void Registration::withdraw() {
  const std::lock_guard lock(mutex_);
  ::unlink(path_.c_str());
}

Status Registration::save() { return replace_file(path_, encode_entry(entry_)); }

}  // namespace ivtrace::record
