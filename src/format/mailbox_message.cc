#include "format/mailbox_message.h"

#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "format/ivring.h"

namespace ivtrace::format {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxText = 4096;    // a single string
constexpr std::size_t kMaxNames = 65536;  // events, filters
constexpr int kMaxDepth = 4;              // {"cpus":[{"cpu":0}]} is 3
constexpr std::size_t kMaxChecks = 256;
constexpr std::size_t kMaxTracers = 256;
constexpr std::size_t kMaxLines = 8192;

template <class E, std::size_t N>
using Names = std::array<std::pair<E, const char*>, N>;

constexpr Names<Op, 15> kOps{{{Op::kHello, "hello"},
                              {Op::kDoctor, "doctor"},
                              {Op::kStart, "start"},
                              {Op::kStop, "stop"},
                              {Op::kEvents, "events"},
                              {Op::kBuffer, "buffer"},
                              {Op::kStats, "stats"},
                              {Op::kClock, "clock"},
                              {Op::kRead, "read"},
                              {Op::kDetach, "detach"},
                              {Op::kTracerFile, "tracer_file"},
                              {Op::kTracerCompile, "tracer_compile"},
                              {Op::kTracerStart, "tracer_start"},
                              {Op::kTracerPoll, "tracer_poll"},
                              {Op::kTracerStop, "tracer_stop"}}};
constexpr Names<Bulk, 5> kBulks{{{Bulk::kFormats, "formats"},
                                 {Bulk::kKallsyms, "kallsyms"},
                                 {Bulk::kCmdlines, "cmdlines"},
                                 {Bulk::kPrintkFormats, "printk_formats"},
                                 {Bulk::kEventNames, "event_names"}}};
constexpr Names<ErrorCode, 10> kCodes{{{ErrorCode::kNotFound, "not-found"},
                                       {ErrorCode::kPermission, "permission"},
                                       {ErrorCode::kBusy, "busy"},
                                       {ErrorCode::kInvalid, "invalid"},
                                       {ErrorCode::kCorrupt, "corrupt"},
                                       {ErrorCode::kUnsupported, "unsupported"},
                                       {ErrorCode::kTimeout, "timeout"},
                                       {ErrorCode::kIo, "io"},
                                       {ErrorCode::kExhausted, "exhausted"},
                                       {ErrorCode::kGone, "gone"}}};

template <class E, std::size_t N>
const char* name_of(const Names<E, N>& names, E value) {
  for (const auto& [known, name] : names) {
    if (known == value) return name;
  }
  return "";
}

// What becomes of a string longer than kMaxText. A filter cut short would be another filter; a guest's name
// is not.
enum class LongText { kRefuse, kCut };

// `text` cut to at most kMaxText bytes, between characters.
std::string cut(const std::string& text) {
  if (text.size() <= kMaxText) return text;
  std::size_t end = kMaxText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

// Reads members of one object. The first wrong type or range is remembered and ends the message; a missing
// member leaves the default.
class Reader {
 public:
  Reader(const json& object, LongText long_text, std::string* problem)
      : object_(object), long_text_(long_text), problem_(problem) {
    if (!object.is_object()) fail("message", "is no object");
  }

  template <class T>
  void number(const char* key, T& out) {
    const json* value = find(key);
    if (value == nullptr) return;
    if (value->is_number_unsigned()) {
      const auto number = value->get<std::uint64_t>();
      if (number > static_cast<std::uint64_t>(std::numeric_limits<T>::max()))
        return fail(key, "is out of range");
      out = static_cast<T>(number);
    } else if (value->is_number_integer() && std::numeric_limits<T>::is_signed) {
      const auto number = value->get<std::int64_t>();
      if (number < static_cast<std::int64_t>(std::numeric_limits<T>::min()))
        return fail(key, "is out of range");
      out = static_cast<T>(number);
    } else {
      fail(key, "is no such number");
    }
  }
  void flag(const char* key, bool& out) {
    const json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_boolean()) return fail(key, "is no boolean");
    out = value->get<bool>();
  }
  void text(const char* key, std::string& out) {
    const json* value = find(key);
    if (value != nullptr) take_text(key, *value, out);
  }
  /// A text that may have up to `limit` bytes.
  void long_text(const char* key, std::size_t limit, std::string& out) {
    const json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_string()) return fail(key, "is no text");
    out = value->get<std::string>();
    if (out.size() > limit) fail(key, "is too long");
  }
  template <class E, std::size_t N>
  void name(const char* key, const Names<E, N>& names, E& out) {
    std::string wanted;
    text(key, wanted);
    if (wanted.empty()) return;
    for (const auto& [known, name] : names) {
      if (wanted == name) {
        out = known;
        return;
      }
    }
    fail(key, "is unknown");
  }
  void texts(const char* key, std::vector<std::string>& out) {
    each(key, kMaxNames, [&](const json& value) { take_text(key, value, out.emplace_back()); });
  }
  void text_map(const char* key, std::map<std::string, std::string>& out) {
    const json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_object() || value->size() > kMaxNames) return fail(key, "is no map");
    for (const auto& [name, filter] : value->items()) {
      if (name.size() > kMaxText) return fail(key, "has a name that is too long");
      take_text(key, filter, out[name]);
    }
  }
  /// Calls `take` with each element of an array, at most `limit` of them.
  template <class F>
  void each(const char* key, std::size_t limit, F take) {
    const json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_array()) return fail(key, "is no array");
    std::size_t count = 0;
    for (const json& element : *value) {
      if (count++ == limit || !problem_->empty()) return;
      take(element);
    }
  }
  template <class F>
  void objects(const char* key, std::size_t limit, F take) {
    each(key, limit, [&](const json& element) {
      Reader reader(element, long_text_, problem_);
      take(reader);
    });
  }

 private:
  const json* find(const char* key) {
    if (!problem_->empty()) return nullptr;
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }
  void take_text(const char* key, const json& value, std::string& out) {
    if (!value.is_string()) return fail(key, "is no text");
    const auto& text = value.get_ref<const std::string&>();
    if (text.size() > kMaxText && long_text_ == LongText::kRefuse) return fail(key, "is too long");
    out = cut(text);
  }
  void fail(const char* key, const char* how) {
    if (problem_->empty()) *problem_ = std::string(key) + " " + how;
  }

  const json& object_;
  LongText long_text_;
  std::string* problem_;
};

// Deeper than any message: refused before the parser builds it.
bool too_deep(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

Result<json> parse(std::string_view text, std::size_t limit) {
  if (text.size() > limit) return Error(ErrorCode::kCorrupt, "the message is too long");
  if (too_deep(text)) return Error(ErrorCode::kCorrupt, "the message is nested too deeply");
  json object = json::parse(text, nullptr, false);
  if (!object.is_object()) return Error(ErrorCode::kCorrupt, "the message is no JSON object");
  return object;
}

std::string dump(const json& object) { return object.dump(-1, ' ', false, json::error_handler_t::replace); }

json to_json(const AgentCpu& cpu) {
  return {{"cpu", cpu.cpu}, {"apic_id", cpu.apic_id}, {"online", cpu.online}};
}

AgentCpu read_cpu(Reader& reader) {
  AgentCpu cpu;
  reader.number("cpu", cpu.cpu);
  reader.number("apic_id", cpu.apic_id);
  reader.flag("online", cpu.online);
  return cpu;
}

json to_json(const CpuCounters& counters) {
  return {{"cpu", counters.cpu},         {"delivered", counters.delivered},
          {"unread", counters.unread},   {"overrun", counters.overrun},
          {"dropped", counters.dropped}, {"commit_overrun", counters.commit_overrun},
          {"bytes", counters.bytes},     {"stalls", counters.stalls}};
}

CpuCounters read_counters(Reader& reader) {
  CpuCounters counters;
  reader.number("cpu", counters.cpu);
  reader.number("delivered", counters.delivered);
  reader.number("unread", counters.unread);
  reader.number("overrun", counters.overrun);
  reader.number("dropped", counters.dropped);
  reader.number("commit_overrun", counters.commit_overrun);
  reader.number("bytes", counters.bytes);
  reader.number("stalls", counters.stalls);
  return counters;
}

json to_json(const Check& check) {
  return {{"name", check.name}, {"state", check.state}, {"detail", check.detail}, {"hint", check.hint}};
}

Check read_check(Reader& reader) {
  Check check;
  reader.text("name", check.name);
  reader.text("state", check.state);
  reader.text("detail", check.detail);
  reader.text("hint", check.hint);
  return check;
}

json to_json(const ProbeState& probe) {
  return {
      {"spec", probe.spec}, {"event", probe.event}, {"definition", probe.definition}, {"error", probe.error}};
}

ProbeState read_probe(Reader& reader) {
  ProbeState probe;
  reader.text("spec", probe.spec);
  reader.text("event", probe.event);
  reader.text("definition", probe.definition);
  reader.text("error", probe.error);
  return probe;
}

json to_json(const TracerState& tracer) {
  return {{"tracer", tracer.tracer}, {"state", tracer.state},           {"message", tracer.message},
          {"hint", tracer.hint},     {"lost_lines", tracer.lost_lines}, {"lost_events", tracer.lost_events}};
}

TracerState read_tracer(Reader& reader) {
  TracerState tracer;
  reader.number("tracer", tracer.tracer);
  reader.text("state", tracer.state);
  reader.text("message", tracer.message);
  reader.text("hint", tracer.hint);
  reader.number("lost_lines", tracer.lost_lines);
  reader.number("lost_events", tracer.lost_events);
  return tracer;
}

json to_json(const TracerLine& line) {
  return {{"tracer", line.tracer},
          {"tsc", line.tsc},
          {"arrival", line.arrival},
          {"error", line.is_error},
          {"text", line.text}};
}

TracerLine read_line(Reader& reader) {
  TracerLine line;
  reader.number("tracer", line.tracer);
  reader.number("tsc", line.tsc);
  reader.flag("arrival", line.arrival);
  reader.flag("error", line.is_error);
  reader.text("text", line.text);
  return line;
}

template <class T>
json to_array(const std::vector<T>& values) {
  json array = json::array();
  for (const T& value : values) array.push_back(to_json(value));
  return array;
}

}  // namespace

std::string encode_request(const Request& request) {
  json object{{"op", name_of(kOps, request.op)}};
  switch (request.op) {
    case Op::kStart:
      object["feed"] = request.feed;
      object["buffer_kb"] = request.buffer_kb;
      if (!request.probes.empty()) object["probes"] = request.probes;
      if (request.top_level) object["top_level"] = true;
      [[fallthrough]];
    case Op::kEvents:
      object["events"] = request.events;
      object["filters"] = request.filters;
      break;
    case Op::kBuffer:
      object["buffer_kb"] = request.buffer_kb;
      break;
    case Op::kClock:
      object["clock_cpu"] = request.clock_cpu;
      object["clock_limit_us"] = request.clock_limit_us;
      break;
    case Op::kRead:
      object["bulk"] = name_of(kBulks, request.bulk);
      object["offset"] = request.offset;
      break;
    case Op::kTracerFile:
      object["tracer"] = request.tracer;
      object["tracer_name"] = request.tracer_name;
      object["offset"] = request.offset;
      object["data"] = request.data;
      break;
    case Op::kTracerCompile:
      object["tracer"] = request.tracer;
      object["arguments"] = request.arguments;
      break;
    case Op::kTracerStart:
      object["tracer"] = request.tracer;
      object["tracer_kind"] = request.tracer_kind;
      object["arguments"] = request.arguments;
      break;
    case Op::kTracerPoll:
    case Op::kTracerStop:
      object["offset"] = request.offset;
      break;
    case Op::kHello:
    case Op::kDoctor:
    case Op::kStop:
    case Op::kStats:
    case Op::kDetach:
      break;
  }
  return dump(object);
}

std::string encode_reply(const Reply& reply) {
  json object{{"ok", reply.ok}};
  // Only what is set is sent: a member's absence is its default.
  const auto text = [&](const char* key, const std::string& value) {
    if (!value.empty()) object[key] = value;
  };
  const auto number = [&](const char* key, auto value) {
    if (value != 0) object[key] = value;
  };
  text("code", reply.code);
  text("message", reply.message);
  text("hint", reply.hint);
  number("protocol", reply.protocol);
  text("agent_version", reply.agent_version);
  text("kernel_release", reply.kernel_release);
  text("hostname", reply.hostname);
  text("machine_id", reply.machine_id);
  text("boot_id", reply.boot_id);
  number("agent_pid", reply.agent_pid);
  number("tsc_khz", reply.tsc_khz);
  number("page_size", reply.page_size);
  text("feed", reply.feed);
  if (reply.recording) object["recording"] = true;
  if (!reply.cpus.empty()) object["cpus"] = to_array(reply.cpus);
  if (!reply.events.empty()) object["events"] = reply.events;
  if (!reply.rejected.empty()) object["rejected"] = reply.rejected;
  if (!reply.counters.empty()) object["counters"] = to_array(reply.counters);
  if (!reply.checks.empty()) object["checks"] = to_array(reply.checks);
  number("total", reply.total);
  if (!reply.probes.empty()) object["probes"] = to_array(reply.probes);
  if (reply.printk_dest) object["printk_dest"] = true;
  if (!reply.tracers.empty()) object["tracers"] = to_array(reply.tracers);
  if (!reply.lines.empty()) object["lines"] = to_array(reply.lines);
  if (reply.more) object["more"] = true;
  return dump(object);
}

Result<Request> decode_request(std::string_view text) {
  IVT_ASSIGN_OR_RETURN(const json object, parse(text, kRequestBytes));
  if (!object.contains("op")) return Error(ErrorCode::kCorrupt, "request: op is missing");
  std::string problem;
  Reader reader(object, LongText::kRefuse, &problem);
  Request request;
  reader.name("op", kOps, request.op);
  reader.texts("events", request.events);
  reader.text_map("filters", request.filters);
  reader.number("buffer_kb", request.buffer_kb);
  reader.text("feed", request.feed);
  reader.number("clock_cpu", request.clock_cpu);
  reader.number("clock_limit_us", request.clock_limit_us);
  reader.name("bulk", kBulks, request.bulk);
  reader.number("offset", request.offset);
  reader.texts("probes", request.probes);
  reader.flag("top_level", request.top_level);
  reader.number("tracer", request.tracer);
  reader.long_text("data", 2 * kTracerFilePiece, request.data);
  reader.text("tracer_kind", request.tracer_kind);
  reader.text("tracer_name", request.tracer_name);
  reader.texts("arguments", request.arguments);
  if (!problem.empty()) return Error(ErrorCode::kCorrupt, "request: " + problem);
  return request;
}

Result<Reply> decode_reply(std::string_view text) {
  IVT_ASSIGN_OR_RETURN(const json object, parse(text, kReplyBytes));
  if (!object.contains("ok")) return Error(ErrorCode::kCorrupt, "reply: ok is missing");
  std::string problem;
  Reader reader(object, LongText::kCut, &problem);
  Reply reply;
  reader.flag("ok", reply.ok);
  reader.text("code", reply.code);
  reader.text("message", reply.message);
  reader.text("hint", reply.hint);
  reader.number("protocol", reply.protocol);
  reader.text("agent_version", reply.agent_version);
  reader.text("kernel_release", reply.kernel_release);
  reader.text("hostname", reply.hostname);
  reader.text("machine_id", reply.machine_id);
  reader.text("boot_id", reply.boot_id);
  reader.number("agent_pid", reply.agent_pid);
  reader.number("tsc_khz", reply.tsc_khz);
  reader.number("page_size", reply.page_size);
  reader.text("feed", reply.feed);
  reader.flag("recording", reply.recording);
  reader.objects("cpus", kMaxCpus, [&](Reader& r) { reply.cpus.push_back(read_cpu(r)); });
  reader.texts("events", reply.events);
  reader.texts("rejected", reply.rejected);
  reader.objects("counters", kMaxCpus, [&](Reader& r) { reply.counters.push_back(read_counters(r)); });
  reader.objects("checks", kMaxChecks, [&](Reader& r) { reply.checks.push_back(read_check(r)); });
  reader.number("total", reply.total);
  reader.objects("probes", kMaxTracers, [&](Reader& r) { reply.probes.push_back(read_probe(r)); });
  reader.flag("printk_dest", reply.printk_dest);
  reader.objects("tracers", kMaxTracers, [&](Reader& r) { reply.tracers.push_back(read_tracer(r)); });
  reader.objects("lines", kMaxLines, [&](Reader& r) { reply.lines.push_back(read_line(r)); });
  reader.flag("more", reply.more);
  if (!problem.empty()) return Error(ErrorCode::kCorrupt, "reply: " + problem);
  return reply;
}

std::string error_code_name(ErrorCode code) { return name_of(kCodes, code); }

ErrorCode error_code_of(std::string_view name) {
  for (const auto& [code, known] : kCodes) {
    if (name == known) return code;
  }
  return ErrorCode::kIo;
}

}  // namespace ivtrace::format
