// Each journal record's fields, named once: the encoder and the decoder both walk these lists, so a key
// cannot exist on one side only. Private to the room; the keys are explained in docs/format/run.md. A key
// that came later is named by added(): where it is missing, the value stays what it is by default.
#pragma once

#include <concepts>
#include <type_traits>

#include "run/journal.h"

namespace ivtrace::run {

/// `R` is `T` or `const T`.
template <class R, class T>
concept Is = std::same_as<std::remove_const_t<R>, T>;

template <class A, Is<format::AgentCpu> R>
void describe(A& a, R& r) {
  a("cpu", r.cpu), a("apic_id", r.apic_id), a("online", r.online);
}

template <class A, Is<format::CpuCounters> R>
void describe(A& a, R& r) {
  a("cpu", r.cpu), a("delivered", r.delivered), a("unread", r.unread), a("overrun", r.overrun);
  a("dropped", r.dropped), a("commit_overrun", r.commit_overrun), a("bytes", r.bytes), a("stalls", r.stalls);
}

template <class A, Is<clock::Anchor> R>
void describe(A& a, R& r) {
  a("tsc", r.tsc), a("bracket", r.bracket), a("monotonic_raw", r.monotonic_raw), a("monotonic", r.monotonic);
  a("realtime", r.realtime), a("maxerror_us", r.maxerror_us), a("esterror_us", r.esterror_us);
}

template <class A, Is<clock::TscRelation> R>
void describe(A& a, R& r) {
  a("offset", r.offset), a("ratio", r.ratio), a("frac_bits", r.frac_bits);
}

template <class A, Is<clock::Burst> R>
void describe(A& a, R& r) {
  a("host_tsc", r.host_tsc), a("guest_tsc", r.guest_tsc), a("cpu", r.cpu), a("lower", r.lower),
      a("upper", r.upper);
  a("exchanges", r.exchanges), a("tight_t1", r.tight_t1), a("tight_t2", r.tight_t2);
}

template <class A, Is<clock::Epoch> R>
void describe(A& a, R& r) {
  a("valid_from", r.valid_from), a("uncertain", r.uncertain), a("host_from", r.host_from), a("cpu", r.cpu);
  a("relation", r.relation), a("source", r.source), a("error", r.error);
}

template <class A, Is<format::DiskLimits> R>
void describe(A& a, R& r) {
  a("iops", r.iops), a("iops_read", r.iops_read), a("iops_write", r.iops_write);
  a("bps", r.bps), a("bps_read", r.bps_read), a("bps_write", r.bps_write), a("by", r.by);
}

template <class A, Is<MachineRecord> R>
void describe(A& a, R& r) {
  a("name", r.name), a("kind", r.kind), a("kernel_release", r.kernel_release), a("hostname", r.hostname);
  a("uuid", r.uuid), a("boot_id", r.boot_id), a("tsc_khz", r.tsc_khz), a("cpu_count", r.cpu_count),
      a("cpus", r.cpus);
  a("feed", r.feed), a("agent_version", r.agent_version), a("events", r.events), a("rejected", r.rejected);
  a("qemu_pid", r.qemu_pid), a("accel", r.accel), a("ring_file", r.ring_file), a("host_only", r.host_only);
  a("note", r.note), a("idle_lag_ns", r.idle_lag_ns);
  a.added("cpu_limit_us", r.cpu_limit_us);
}

template <class A, Is<VcpuRecord> R>
void describe(A& a, R& r) {
  a("machine", r.machine), a("index", r.index), a("thread", r.thread), a("apic_id", r.apic_id);
}

template <class A, Is<ThreadsRecord> R>
void describe(A& a, R& r) {
  a("machine", r.machine), a("tsc", r.tsc), a("threads", r.threads);
}

template <class A, Is<DiskRecord> R>
void describe(A& a, R& r) {
  a("machine", r.machine), a("device", r.device), a("path", r.path), a("format", r.format), a("aio", r.aio);
  a("cache", r.cache), a("device_number", r.device_number);
  a.added("tsc", r.tsc), a.added("limits", r.limits);
}

template <class A, Is<ExtentsRecord> R>
void describe(A& a, R& r) {
  a("machine", r.machine), a("device", r.device), a("tsc", r.tsc), a("file", r.file), a("gaps", r.gaps);
}

template <class A, Is<GoneRecord> R>
void describe(A& a, R& r) {
  a("machine", r.machine), a("what", r.what), a("tsc", r.tsc), a("detail", r.detail);
}

template <class A, Is<SegmentRecord> R>
void describe(A& a, R& r) {
  a("machine", r.machine), a("buffer", r.buffer), a("cpu", r.cpu), a("offset", r.offset),
      a("layout", r.layout);
  a("page_size", r.page_size), a("generation", r.generation);
}

template <class A, Is<MarkRecord::File> R>
void describe(A& a, R& r) {
  a("machine", r.machine), a("buffer", r.buffer), a("cpu", r.cpu), a("bytes", r.bytes);
}

template <class A, Is<MarkRecord> R>
void describe(A& a, R& r) {
  a("tsc", r.tsc), a("files", r.files);
}

template <class A, Is<AnchorRecord> R>
void describe(A& a, R& r) {
  a("anchor", r.anchor);
}

template <class A, Is<EpochRecord> R>
void describe(A& a, R& r) {
  a("machine", r.machine), a("epoch", r.epoch);
}

template <class A, Is<BurstRecord> R>
void describe(A& a, R& r) {
  a("machine", r.machine), a("burst", r.burst), a("verdict", r.verdict);
}

template <class A, Is<CountersRecord> R>
void describe(A& a, R& r) {
  a("machine", r.machine), a("buffer", r.buffer), a("generation", r.generation), a("final", r.final_counters);
  a("counters", r.counters);
}

template <class A, Is<LossRecord> R>
void describe(A& a, R& r) {
  a("machine", r.machine), a("cpu", r.cpu), a("reason", r.reason), a("events", r.events), a("bytes", r.bytes);
  a("from", r.from), a("until", r.until), a("detail", r.detail);
}

template <class A, Is<TracerRecord> R>
void describe(A& a, R& r) {
  a("machine", r.machine), a("kind", r.kind), a("id", r.id), a("name", r.name), a("source", r.source);
  a("state", r.state), a("detail", r.detail), a("hint", r.hint), a("events", r.events), a("lines", r.lines);
  a("lost", r.lost), a("output", r.output);
}

template <class A, Is<NoteRecord> R>
void describe(A& a, R& r) {
  a("tsc", r.tsc), a("machine", r.machine), a("text", r.text);
}

template <class A, Is<ContainmentRecord> R>
void describe(A& a, R& r) {
  a("machine", r.machine), a("vcpu", r.vcpu), a("inside", r.inside), a("outside", r.outside);
  a("in_lost_ranges", r.in_lost_ranges), a("unknown", r.unknown), a("worst_ticks", r.worst_ticks);
  a("worst_at", r.worst_at);
}

template <class A, Is<EndRecord> R>
void describe(A& a, R& r) {
  a("tsc", r.tsc), a("reason", r.reason);
}

template <class A, Is<Manifest> R>
void describe(A& a, R& r) {
  a("schema", r.schema), a("tool_version", r.tool_version), a("created", r.created),
      a("start_tsc", r.start_tsc);
  a("command_line", r.command_line), a("events", r.events), a("profile", r.profile),
      a("max_bytes", r.max_bytes);
  a("host_kernel", r.host_kernel), a("trace_clock", r.trace_clock);
}

/// Takes any field, as the encoder and the decoder do.
struct Probe {
  template <class T>
  void operator()(const char*, T&);
  template <class T>
  void added(const char*, T&);
};

/// Something that `describe` knows: it becomes a JSON object.
template <class T>
concept Described = requires(T& value, Probe& probe) {
  describe(probe, value);
};

}  // namespace ivtrace::run
