#include "exchange/ctf_metadata.h"

#include <fmt/format.h>

#include <charconv>
#include <iterator>
#include <span>

#include "base/sha256.h"

namespace ivtrace::exchange {
namespace {

constexpr std::string_view kTypes = R"(
typealias integer { size = 8; align = 8; signed = true; } := int8_t;
typealias integer { size = 16; align = 8; signed = true; } := int16_t;
typealias integer { size = 32; align = 8; signed = true; } := int32_t;
typealias integer { size = 64; align = 8; signed = true; } := int64_t;
typealias integer { size = 8; align = 8; signed = false; } := uint8_t;
typealias integer { size = 16; align = 8; signed = false; } := uint16_t;
typealias integer { size = 32; align = 8; signed = false; } := uint32_t;
typealias integer { size = 64; align = 8; signed = false; } := uint64_t;
typealias integer { size = 8; align = 8; signed = false; base = 16; } := byte_t;
typealias integer { size = 8; align = 8; signed = false; base = 16; } := address8_t;
typealias integer { size = 16; align = 8; signed = false; base = 16; } := address16_t;
typealias integer { size = 32; align = 8; signed = false; base = 16; } := address32_t;
typealias integer { size = 64; align = 8; signed = false; base = 16; } := address64_t;
)";

constexpr std::string_view kStream = R"(
typealias integer { size = 64; align = 8; signed = false; map = clock.ivtrace.value; } := host_time_t;

stream {
	id = 0;
	packet.context := struct {
		host_time_t timestamp_begin;
		host_time_t timestamp_end;
		uint64_t content_size;
		uint64_t packet_size;
		uint64_t packet_seq_num;
		uint64_t events_discarded;
		uint32_t cpu_id;
	};
	event.header := struct {
		uint32_t id;
		host_time_t timestamp;
	};
	event.context := struct {
		int32_t _tid;
		string _procname;
		uint8_t _common_flags;
		uint8_t _common_preempt_count;
	};
};
)";

constexpr std::string_view kOwnEvents = R"(
event {
	name = "ivtrace_unreadable";
	id = 0;
	stream_id = 0;
	fields := struct {
		uint16_t _common_type;
		uint32_t __record_length;
		byte_t _record[__record_length];
	};
};

event {
	name = "ivtrace_loss";
	id = 65536;
	stream_id = 0;
	fields := struct {
		int32_t _cpu;
		int64_t _lost;
		int64_t _lost_bytes;
		uint64_t _since;
		string _reason;
	};
};
)";

std::string uuid_text(const CtfUuid& uuid) {
  std::string text;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    fmt::format_to(std::back_inserter(text), "{:02x}", uuid[i]);
  }
  return text;
}

void append_entry(std::string& out, std::string_view key, std::string_view text) {
  fmt::format_to(std::back_inserter(out), "\t{} = ", key);
  append_tsdl_string(out, text);
  out += ";\n";
}

void append_trace(std::string& out, const CtfTrace& trace) {
  out += "\ntrace {\n\tmajor = 1;\n\tminor = 8;\n";
  append_entry(out, "uuid", uuid_text(trace.uuid));
  out +=
      "\tbyte_order = le;\n\tpacket.header := struct {\n\t\tuint32_t magic;\n\t\tuint8_t uuid[16];\n"
      "\t\tuint32_t stream_id;\n\t};\n};\n";
  out += "\nenv {\n";
  append_entry(out, "domain", "kernel");
  append_entry(out, "hostname", trace.machine);
  append_entry(out, "sysname", "Linux");
  append_entry(out, "kernel_release", trace.kernel_release);
  append_entry(out, "tracer_name", "ivtrace");
  append_entry(out, "tracer_version", IVTRACE_VERSION);
  append_entry(out, "machine_kind", trace.kind);
  out += "};\n\nclock {\n\tname = \"ivtrace\";\n";
  append_entry(out, "uuid", uuid_text(trace.clock));
  append_entry(out, "description", "the host's clock, as nanoseconds since the Unix epoch");
  out += "\tfreq = 1000000000;\n\tprecision = 1;\n\toffset_s = 0;\n\toffset = 0;\n\tabsolute = TRUE;\n};\n";
}

void append_event(std::string& out, std::uint32_t id, const CtfEventEntry& event) {
  out += "\nevent {\n";
  append_entry(out, "name", event.name);
  fmt::format_to(std::back_inserter(out), "\tid = {};\n\tstream_id = 0;\n\tfields := struct {{\n", id);
  event.fields->append_declarations(out);
  out += "\t};\n};\n";
}

}  // namespace

CtfUuid ctf_uuid(std::string_view text) {
  const std::string digits = sha256_hex(std::as_bytes(std::span(text)));
  CtfUuid uuid{};
  for (std::size_t i = 0; i < uuid.size(); ++i)
    std::from_chars(digits.data() + 2 * i, digits.data() + 2 * i + 2, uuid[i], 16);
  // RFC 9562: version 8, what the maker likes.
  uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0f) | 0x80);
  uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3f) | 0x80);
  return uuid;
}

std::string ctf_metadata(const CtfTrace& trace, const CtfEvents& events) {
  std::string out = "/* CTF 1.8 */\n";
  out += kTypes;
  append_trace(out, trace);
  out += kStream;
  out += kOwnEvents;
  for (const auto& [id, event] : events) append_event(out, id, event);
  return out;
}

}  // namespace ivtrace::exchange
