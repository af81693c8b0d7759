#include "tracefs/top_level.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "base/text.h"

namespace ivtrace::tracefs {
namespace {

constexpr std::size_t kMaxState = 4096;
constexpr const char* kHint = "end that first; ivtrace changes nothing of another tool's tracing";

Error in_use(const std::string& what, const std::string& hint = kHint) {
  return Error(ErrorCode::kBusy,
               "the kernel's top-level trace buffer, which this needs here, is in use: " + what, hint);
}

/// "[local] global x86-tsc": what is in brackets.
Result<std::string> chosen_of(const std::string& text) {
  const std::size_t begin = text.find('[');
  const std::size_t end = text.find(']', begin == text.npos ? 0 : begin);
  if (begin == text.npos || end == text.npos)
    return Error(ErrorCode::kCorrupt, "trace_clock names no chosen clock");
  return text.substr(begin + 1, end - begin - 1);
}

/// "1408", or "7 (expanded: 1408)" of a buffer that nobody has used yet, which is 1408 from its first use on.
Result<std::uint64_t> buffer_size_of(std::string_view text) {
  text = trim(text);
  constexpr std::string_view kExpanded = "(expanded: ";
  if (const std::size_t at = text.find(kExpanded); at != text.npos) {
    text = text.substr(at + kExpanded.size());
    text = text.substr(0, text.find(')'));
  }
  return parse_u64(text);
}

Result<TopLevelSettings> read_settings(int dir_fd) {
  TopLevelSettings settings;
  IVT_ASSIGN_OR_RETURN(const std::string clocks, read_file_at(dir_fd, "trace_clock", 4096));
  IVT_ASSIGN_OR_RETURN(settings.clock, chosen_of(clocks));
  IVT_ASSIGN_OR_RETURN(const std::string size, read_file_at(dir_fd, "buffer_size_kb", 4096));
  const Result<std::uint64_t> kb = buffer_size_of(size);
  if (!kb) return in_use("its CPUs have buffers of different sizes");
  settings.buffer_kb = *kb;
  if (const auto percent = read_file_at(dir_fd, "buffer_percent", 4096))
    settings.buffer_percent = trim(*percent);
  IVT_ASSIGN_OR_RETURN(const std::string on, read_file_at(dir_fd, "tracing_on", 4096));
  settings.tracing_on = trim(on) == "1";
  return settings;
}

/// Tracing stays off until all else is as it was. The clock's change empties the buffer of our events.
Status write_settings(int dir_fd, const TopLevelSettings& settings) {
  IVT_RETURN_IF_ERROR(write_control_file_at(dir_fd, "tracing_on", "0"));
  IVT_RETURN_IF_ERROR(write_control_file_at(dir_fd, "buffer_size_kb", std::to_string(settings.buffer_kb)));
  IVT_RETURN_IF_ERROR(write_control_file_at(dir_fd, "trace_clock", settings.clock));
  if (!settings.buffer_percent.empty())
    IVT_RETURN_IF_ERROR(write_control_file_at(dir_fd, "buffer_percent", settings.buffer_percent));
  return write_control_file_at(dir_fd, "tracing_on", settings.tracing_on ? "1" : "0");
}

/// What a dead borrower had enabled: nothing was enabled before it came.
Status disable_events(int dir_fd) {
  IVT_ASSIGN_OR_RETURN(const std::string enabled, read_file_at(dir_fd, "set_event"));
  for (const std::string_view line : split(enabled, '\n')) {
    const std::size_t colon = line.find(':');
    if (colon == line.npos || line.find('/') != line.npos) continue;
    const std::string dir =
        "events/" + std::string(line.substr(0, colon)) + "/" + std::string(trim(line.substr(colon + 1)));
    static_cast<void>(write_control_file_at(dir_fd, dir + "/filter", "0"));
    IVT_RETURN_IF_ERROR(write_control_file_at(dir_fd, dir + "/enable", "0"));
  }
  return {};
}

/// The locked file of settings: who has it may change the buffer.
class StateFile {
 public:
  /// kBusy while its holder lives.
  static Result<StateFile> lock(const std::string& path, int flags) {
    IVT_ASSIGN_OR_RETURN(UniqueFd fd, open_file(path, O_RDWR | O_NOFOLLOW | flags, 0600));
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return errno_error(errno, "cannot lock " + path);
      return in_use("another ivtrace records in it", "end that one first");
    }
    struct stat open {
    }, named{};
    // Whoever gave it back a moment ago has removed the name.
    if (::fstat(fd.get(), &open) != 0 || ::stat(path.c_str(), &named) != 0 || open.st_ino != named.st_ino)
      return in_use("another ivtrace has just given it back", "try again");
    return StateFile(path, std::move(fd));
  }

  Result<std::string> read() const { return read_file(path_, kMaxState); }
  Status write(const TopLevelSettings& settings) {
    const std::string text = encode_settings(settings);
    return pwrite_all(fd_.get(), std::as_bytes(std::span(text)), 0, path_);
  }
  void remove() {
    ::unlink(path_.c_str());
    fd_.reset();
  }

 private:
  StateFile(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;
  UniqueFd fd_;
};

/// Disables and puts back; the file goes when that succeeded.
Status put_back(int dir_fd, StateFile& state, const TopLevelSettings& settings) {
  IVT_RETURN_IF_ERROR(disable_events(dir_fd));
  IVT_RETURN_IF_ERROR(write_settings(dir_fd, settings));
  state.remove();
  return {};
}

/// The dead borrower's settings; nothing when it died before it had written them, and so before it changed
/// any.
Result<std::optional<TopLevelSettings>> left_settings(StateFile& state) {
  IVT_ASSIGN_OR_RETURN(const std::string text, state.read());
  auto settings = decode_settings(text);
  if (settings) return std::optional(*std::move(settings));
  state.remove();
  return std::optional<TopLevelSettings>();
}

Result<Instance> borrow(const TraceDir& dir, StateFile state, TopLevelSettings settings) {
  IVT_ASSIGN_OR_RETURN(UniqueFd fd, open_at(dir.fd(), ".", O_RDONLY | O_DIRECTORY));
  IVT_ASSIGN_OR_RETURN(UniqueFd for_end, open_at(dir.fd(), ".", O_RDONLY | O_DIRECTORY));
  // std::function must be copyable, and neither lock nor descriptor is.
  struct Loan {
    UniqueFd dir;
    StateFile state;
    TopLevelSettings settings;
  };
  auto loan = std::make_shared<Loan>(Loan{std::move(for_end), std::move(state), std::move(settings)});
  return Instance::borrow(std::move(fd), kTopLevelName,
                          [loan] { return put_back(loan->dir.get(), loan->state, loan->settings); });
}

}  // namespace

std::string encode_settings(const TopLevelSettings& settings) {
  return "clock " + settings.clock + "\nbuffer_kb " + std::to_string(settings.buffer_kb) +
         "\nbuffer_percent " + settings.buffer_percent + "\ntracing_on " + (settings.tracing_on ? "1" : "0") +
         "\nend\n";
}

Result<TopLevelSettings> decode_settings(std::string_view text) {
  const Error corrupt(ErrorCode::kCorrupt, "the file with the top-level trace buffer's settings is damaged");
  const std::vector<std::string_view> lines = split(text, '\n');
  constexpr std::string_view kNames[] = {"clock ", "buffer_kb ", "buffer_percent ", "tracing_on "};
  std::string values[std::size(kNames)];
  if (lines.size() != std::size(kNames) + 2 || lines[std::size(kNames)] != "end") return corrupt;
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    if (!lines[i].starts_with(kNames[i])) return corrupt;
    values[i] = lines[i].substr(kNames[i].size());
  }
  const auto kb = parse_u64(values[1]);
  const bool sane = !values[0].empty() && values[0].find_first_of("/ ") == std::string::npos && kb &&
                    *kb != 0 && (values[2].empty() || parse_u64(values[2])) &&
                    (values[3] == "0" || values[3] == "1");
  if (!sane) return corrupt;
  return TopLevelSettings{values[0], *kb, values[2], values[3] == "1"};
}

Status check_free(int dir_fd) {
  IVT_ASSIGN_OR_RETURN(const std::string tracer, read_file_at(dir_fd, "current_tracer", 4096));
  if (trim(tracer) != "nop") return in_use("the tracer " + std::string(trim(tracer)) + " runs in it");
  IVT_ASSIGN_OR_RETURN(const std::string events, read_file_at(dir_fd, "set_event"));
  if (const std::string_view first = trim(events); !first.empty())
    return in_use("the event " + std::string(first.substr(0, first.find('\n'))) + " is enabled in it");
  if (const auto pids = read_file_at(dir_fd, "set_event_pid"); pids && !trim(*pids).empty())
    return in_use("it is set to follow the process " + std::string(trim(*pids)));
  IVT_ASSIGN_OR_RETURN(const std::vector<std::string> cpus, list_directory_at(dir_fd, "per_cpu"));
  for (const std::string& cpu : cpus) {
    IVT_ASSIGN_OR_RETURN(const std::string stats,
                         read_file_at(dir_fd, "per_cpu/" + cpu + "/stats", 64u << 10));
    IVT_ASSIGN_OR_RETURN(const format::CpuCounters counters, parse_stats(stats));
    if (counters.unread == 0) continue;
    return in_use(
        "it holds " + std::to_string(counters.unread) + " events of " + cpu + " that nobody has read",
        "read them; echo >/sys/kernel/tracing/trace throws them away");
  }
  return {};
}

Result<Instance> take_top_level(const TraceDir& dir, const std::string& state_file) {
  if (auto restored = restore_top_level(dir, state_file); !restored) return std::move(restored).error();
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(state_file).parent_path(), ignored);
  IVT_ASSIGN_OR_RETURN(StateFile state, StateFile::lock(state_file, O_CREAT));
  const auto give_up = [&state](const Error& error) {
    state.remove();
    return error;
  };
  if (const Status free = check_free(dir.fd()); !free) return give_up(free.error());
  Result<TopLevelSettings> settings = read_settings(dir.fd());
  if (!settings) return give_up(settings.error());
  if (const Status written = state.write(*settings); !written) return give_up(written.error());
  IVT_ASSIGN_OR_RETURN(Instance instance, borrow(dir, std::move(state), *std::move(settings)));
  IVT_RETURN_IF_ERROR(instance.set_tracing(false));
  return instance;
}

Result<Instance> adopt_top_level(const TraceDir& dir, const std::string& state_file) {
  IVT_ASSIGN_OR_RETURN(StateFile state, StateFile::lock(state_file, 0));
  IVT_ASSIGN_OR_RETURN(auto settings, left_settings(state));
  if (!settings) return Error(ErrorCode::kNotFound, "nobody left the top-level trace buffer changed");
  return borrow(dir, std::move(state), *std::move(settings));
}

Result<bool> restore_top_level(const TraceDir& dir, const std::string& state_file) {
  auto left = adopt_top_level(dir, state_file);
  if (left) {
    IVT_RETURN_IF_ERROR(left->remove());
    return true;
  }
  const ErrorCode code = left.error().code;
  if (code == ErrorCode::kNotFound || code == ErrorCode::kBusy) return false;
  return std::move(left).error();
}

}  // namespace ivtrace::tracefs
