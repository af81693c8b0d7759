#include "tracers/bpftrace.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/fd.h"
#include "base/text.h"
#include "base/tsc.h"

namespace ivtrace::tracers {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 6;
constexpr std::size_t kBarWidth = 52;
constexpr const char* kHint =
    "apt-get install bpftrace there; the kernel needs BTF and eBPF (ivtrace doctor says what is missing)";

/// A number, text or anything else as bpftrace's own text output would show it.
std::string shown(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

bool is_histogram(const json& value) {
  return value.is_array() && !value.empty() &&
         std::all_of(value.begin(), value.end(),
                     [](const json& bucket) { return bucket.is_object() && bucket.contains("count"); });
}

std::uint64_t count_of(const json& bucket) {
  const json& count = bucket.at("count");
  return count.is_number_unsigned() ? count.get<std::uint64_t>() : 0;
}

std::string bound_of(const json& bucket, const char* key) {
  const auto found = bucket.find(key);
  return found == bucket.end() ? "..." : shown(*found);
}

void add_histogram(const std::string& name, const json& buckets, std::vector<std::string>& lines) {
  lines.push_back(name + ":");
  std::uint64_t most = 1;
  for (const json& bucket : buckets) most = std::max(most, count_of(bucket));
  for (const json& bucket : buckets) {
    const std::uint64_t count = count_of(bucket);
    std::string bounds = "[" + bound_of(bucket, "min") + ", " + bound_of(bucket, "max") + "]";
    bounds.resize(std::max<std::size_t>(bounds.size(), 24), ' ');
    std::string number = std::to_string(count);
    number.insert(0, number.size() < 9 ? 9 - number.size() : 0, ' ');
    const auto bar =
        static_cast<std::size_t>(static_cast<double>(count) / static_cast<double>(most) * kBarWidth);
    lines.push_back(bounds + number + " |" + std::string(bar, '@') + std::string(kBarWidth - bar, ' ') + "|");
  }
}

/// `@name` with one value, `@name[key]` with one each, or histograms of either kind.
void add_map(const std::string& name, const json& value, std::vector<std::string>& lines) {
  if (is_histogram(value)) return add_histogram(name, value, lines);
  if (!value.is_object()) {
    lines.push_back(name + ": " + shown(value));
    return;
  }
  for (const auto& [key, inner] : value.items()) {
    if (is_histogram(inner)) {
      add_histogram(name + "[" + key + "]", inner, lines);
    } else {
      lines.push_back(name + "[" + key + "]: " + shown(inner));
    }
  }
}

std::vector<std::string> lines_of(const json& data) {
  std::vector<std::string> lines;
  if (data.is_string()) {
    for (const std::string_view line : split(data.get_ref<const std::string&>(), '\n'))
      lines.emplace_back(line);
  } else if (data.is_object()) {
    for (const auto& [name, value] : data.items()) add_map(name, value, lines);
  }
  return lines;
}

/// Owns nothing but its program. Text that a script prints in pieces becomes a line with its end.
class Bpftrace : public Tracer {
 public:
  Bpftrace(std::uint32_t id, std::unique_ptr<Program> program) : Tracer(id, std::move(program)) {}

 protected:
  void understand(PrintedLine line) override {
    if (line.is_error) return complain(std::move(line));
    if (line.is_cut) return add_lost(1);  // a map, or a text, that nobody could read any more
    // bpftrace prints empty lines when it ends, before the maps.
    if (line.text.empty()) {
      at_end_ = true;
      return;
    }
    BpftraceOutput output = read_bpftrace_line(line.text);
    switch (output.what) {
      case BpftraceOutput::What::kText:
        return print(line.tsc, output.lines);
      case BpftraceOutput::What::kAttached:
        attaching_ = true;
        return;
      case BpftraceOutput::What::kLost:
        return add_lost(output.lost);
      case BpftraceOutput::What::kMap:
      case BpftraceOutput::What::kOther:
        break;
    }
    const bool of_the_end = output.what == BpftraceOutput::What::kMap && (at_end_ || stopping());
    for (std::string& text : output.lines)
      keep({line.tsc, false, false, of_the_end ? kOutputLine + std::move(text) : std::move(text)});
  }

  void at_end() override {
    if (!begun_.empty()) keep({read_tsc(), false, false, std::exchange(begun_, {})});
  }

  /// It says that it attaches before it does; once it has, it waits for events.
  bool looks_armed() override {
    if (!attaching_) return false;
    const auto call = read_file("/proc/" + std::to_string(program().pid()) + "/syscall", 256);
    return call && (call->starts_with("232 ") || call->starts_with("281 "));  // epoll_wait, epoll_pwait
  }

 private:
  void print(std::uint64_t tsc, std::vector<std::string>& pieces) {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (begun_.size() + pieces[i].size() <= kMaxLine) begun_ += pieces[i];
      if (i + 1 == pieces.size()) break;
      keep({tsc, false, false, std::move(begun_)});
      begun_.clear();
    }
  }

  bool attaching_ = false;
  bool at_end_ = false;
  std::string begun_;
};

}  // namespace

BpftraceOutput read_bpftrace_line(std::string_view line) {
  using What = BpftraceOutput::What;
  BpftraceOutput output;
  const auto shallow = [](int depth, json::parse_event_t, json&) { return depth <= kMaxDepth; };
  const json object = json::parse(line.begin(), line.end(), shallow, false);
  const bool known =
      object.is_object() && object.contains("type") && object["type"].is_string() && object.contains("data");
  if (!known) {
    output.lines.emplace_back(line);
    return output;
  }
  const std::string type = object["type"];
  const json& data = object["data"];
  if (type == "attached_probes") {
    output.what = What::kAttached;
  } else if (type == "lost_events") {
    output.what = What::kLost;
    if (data.is_object() && data.contains("events") && data["events"].is_number_unsigned())
      output.lost = data["events"];
  } else {
    output.what = data.is_string() ? What::kText : What::kMap;
    output.lines = lines_of(data);
  }
  return output;
}

Result<std::unique_ptr<Tracer>> start_bpftrace(const TracerSpec& spec) {
  std::vector<std::string> arguments = {"bpftrace", "-f", "json"};
  arguments.insert(arguments.end(), spec.arguments.begin(), spec.arguments.end());
  arguments.push_back(spec.file);
  auto program = Program::start(arguments);
  if (!program && program.error().code == ErrorCode::kNotFound)
    return Error(ErrorCode::kNotFound, "there is no bpftrace on this machine", kHint);
  if (!program) return std::move(program).error();
  return std::unique_ptr<Tracer>(std::make_unique<Bpftrace>(spec.id, *std::move(program)));
}

}  // namespace ivtrace::tracers
