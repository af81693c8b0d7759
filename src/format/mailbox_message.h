// What the host asks the agent through the mailbox, and what the agent answers. On the wire: JSON, at most
// kRequestBytes and kReplyBytes, the reply with raw bytes behind it for bulk reads. docs/format/mailbox.md
// has examples.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ivtrace::format {

inline constexpr int kMailboxProtocol = 1;

enum class Op {
  kHello,       ///< who are you: version, kernel, CPUs, what works
  kDoctor,      ///< checks of what this guest lacks for tracing
  kStart,       ///< begin a recording; an earlier one is ended first
  kStop,        ///< end it: everything still held is delivered before the reply; reply carries final counters
  kEvents,      ///< change the enabled events and filters of the running recording
  kBuffer,      ///< change the kernel buffer's size of the running recording
  kStats,       ///< counters per CPU
  kClock,       ///< answer handshake pings on a CPU until `clock_limit_us` has passed or ping_seq becomes ~0
  kRead,        ///< bulk text (Bulk), from an offset on
  kDetach,      ///< let go of the memory: its device is about to be unplugged. The reply is the agent's last
                ///< store
  kTracerFile,  ///< a piece of a tracer's file: script or compiled module
  kTracerCompile,  ///< compile a script whose file is there, in the guest; also before a recording. The reply
                   ///< comes at once, kTracerPoll tells what became of it
  kTracerStart,    ///< run a tracer whose file is there; the reply comes at once, kTracerPoll tells what
                   ///< became of it
  kTracerPoll,     ///< the tracers' states, and what they printed since the last poll
  kTracerStop,     ///< end all tracers; kTracerPoll goes on telling until each has ended
};

enum class Bulk {
  kFormats,  ///< header_page and the enabled events' formats (framing: docs/format/run.md)
  kKallsyms,
  kCmdlines,  ///< "pid comm\n" of every task, threads included, now
  kPrintkFormats,
  kEventNames,  ///< available_events
};

/// One request. Only the fields that an op uses are sent.
struct Request {
  Op op = Op::kHello;
  // kStart, kEvents
  std::vector<std::string> events;             ///< "system:name", already expanded by the asker or a glob
  std::map<std::string, std::string> filters;  ///< "system:name" → kernel filter expression
  // kStart, kBuffer
  std::uint64_t buffer_kb = 0;  ///< per CPU; 0: the agent's default
  std::string feed;  ///< kStart: "", "map" or "read": how trace_pipe_raw is drained; "" is the best there is
  // kClock
  std::uint32_t clock_cpu = 0;
  std::uint64_t clock_limit_us = 0;
  // kRead
  Bulk bulk = Bulk::kFormats;
  /// Also kTracerFile: where `data` belongs in the file, 0 begins it anew; kTracerPoll, kTracerStop: lines
  /// that the recorder has of this recording, so that none is lost with a reply.
  std::uint64_t offset = 0;
  // kStart
  std::vector<std::string> probes;  ///< dynamic probes, as docs/probes.md writes them, without the machine
  bool top_level =
      false;  ///< record in the kernel's top-level buffer, for what cannot be sent to another one
  // kTracerFile, kTracerCompile, kTracerStart
  std::uint32_t tracer = 0;  ///< the recorder's number for it
  std::string data;          ///< kTracerFile: base64
  std::string tracer_kind;   ///< kTracerStart: "stap-module", "stap-script" (compiled there) or "bpftrace"
  std::string tracer_name;   ///< kTracerFile: the file's name
  std::vector<std::string> arguments;  ///< kTracerCompile, kTracerStart: further options of the program
};

/// A dynamic probe and what became of it.
struct ProbeState {
  std::string spec;        ///< as asked for
  std::string event;       ///< "kprobe:vfs_read": as it is recorded; empty when it could not be set
  std::string definition;  ///< what the kernel was told
  std::string error;       ///< why it is not there, with what to do
};

/// A tracer program on its way.
struct TracerState {
  std::uint32_t tracer = 0;
  std::string state;    ///< "starting", "armed", "ended" or "failed"; a script: "compiling" or "compiled"
  std::string message;  ///< why it failed or ended; how far a compilation is
  std::string hint;     ///< what to do
  std::uint64_t lost_lines = 0;   ///< printed and not kept
  std::uint64_t lost_events = 0;  ///< that the tracer itself says it lost; a probe: hits that it missed
};

/// A line that a tracer printed.
struct TracerLine {
  std::uint32_t tracer = 0;
  std::uint64_t tsc = 0;  ///< the machine's own
  bool arrival = false;   ///< `tsc` is when the line was read, not a time that the line tells itself
  bool is_error = false;  ///< of its standard error
  std::string text;
};

/// A CPU of the guest as its own kernel counts it.
struct AgentCpu {
  std::uint32_t cpu = 0;
  std::uint32_t apic_id = 0;  ///< CPUID leaf 0Bh EDX, read on that CPU
  bool online = false;
};

/// What one CPU's kernel buffer counted since kStart, from per_cpu/cpuN/stats (or the mapped meta page).
struct CpuCounters {
  std::uint32_t cpu = 0;
  std::uint64_t delivered = 0;       ///< "read events": events taken out
  std::uint64_t unread = 0;          ///< "entries": events still in the buffer
  std::uint64_t overrun = 0;         ///< events overwritten
  std::uint64_t dropped = 0;         ///< "dropped events"
  std::uint64_t commit_overrun = 0;  ///< "commit overrun"
  std::uint64_t bytes = 0;           ///< payload bytes put into the ring
  std::uint64_t stalls = 0;          ///< times that the ring was full
};

/// One thing a machine has or lacks for tracing.
struct Check {
  std::string name;
  std::string state;  ///< "ok", "missing" or "warning"
  std::string detail;
  std::string hint;  ///< how to get it, when it is missing
};

/// One reply. `ok` false: `message` and `hint` say why, as in base/result.h.
struct Reply {
  bool ok = true;
  std::string code;  ///< error's kind: "not-found", "permission", …
  std::string message;
  std::string hint;
  // kHello
  int protocol = 0;
  std::string agent_version;
  std::string kernel_release;
  std::string hostname;
  std::string machine_id;  ///< product_uuid of DMI, or empty
  std::string boot_id;
  std::int32_t agent_pid = 0;
  std::uint64_t tsc_khz = 0;
  std::uint32_t page_size = 0;  ///< bytes of a sub-buffer
  std::string feed;             ///< kHello: best there is; kStart: what is used: "map" or "read"
  bool recording = false;
  std::vector<AgentCpu> cpus;
  // kStart, kEvents
  std::vector<std::string> events;    ///< enabled now
  std::vector<std::string> rejected;  ///< asked for, but not there: "system:name: reason"
  // kStop, kStats
  std::vector<CpuCounters> counters;
  // kDoctor
  std::vector<Check> checks;
  // kRead
  std::uint64_t total = 0;  ///< whole size of the bulk text
  // kStart
  std::vector<ProbeState> probes;
  // kHello
  bool printk_dest = false;  ///< the kernel can send trace_printk to an instance (Linux ≥ 6.12)
  // kTracerPoll; kStats and kStop: of each probe, by its place in kStart's `probes`
  std::vector<TracerState> tracers;
  std::vector<TracerLine> lines;  ///< at most kTracerLinesBytes of text
  bool more = false;              ///< there are more lines: poll again
};

/// Text of the lines in one kTracerPoll reply, and bytes of one kTracerFile piece.
inline constexpr std::size_t kTracerLinesBytes = 64u << 10;
inline constexpr std::size_t kTracerFilePiece = 44u << 10;

std::string encode_request(const Request& request);
std::string encode_reply(const Reply& reply);
/// Bounded and strict about types; unknown keys are ignored. Errors are kCorrupt.
Result<Request> decode_request(std::string_view text);
/// As decode_request; lists are cut to sane lengths (cpus and counters to kMaxCpus, strings to 4 KiB).
Result<Reply> decode_reply(std::string_view text);

/// ErrorCode ↔ its name on the wire.
std::string error_code_name(ErrorCode code);
ErrorCode error_code_of(std::string_view name);

}  // namespace ivtrace::format
