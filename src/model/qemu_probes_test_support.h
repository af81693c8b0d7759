// Hits of the probe pack for QEMU in a made run, for tests.
#pragma once

#include <string>

#include "model/io_test_support.h"
#include "model/qemu_probe_events.h"

namespace ivtrace::model {

enum MadeProbe : std::uint16_t {
  kReadProbeId = 60,
  kWriteProbeId,
  kFlushProbeId,
  kPushProbeId,
  kNotifyProbeId,
};
inline constexpr std::uint64_t kBackend1 = 0xb1;  ///< vm1's disk d0, in its QEMU
inline constexpr std::uint64_t kQueue1 = 0x41;    ///< its virtqueue

/// As the kernel writes them; `more` goes behind the names, as where a second program is probed.
inline std::string made_probe_formats(const std::string& more = "") {
  const std::string common =
      "format:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
      "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
      "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
      "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
      "\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n";
  const auto fields = [](const std::vector<std::string>& names) {
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i)
      text += "\tfield:" + names[i] + ";\toffset:" + std::to_string(16 + 8 * i) + ";\tsize:8;\tsigned:0;\n";
    return text + "\n";
  };
  const std::string move = fields({"u64 backend", "s64 off", "u64 bytes", "u64 request"});
  const struct {
    const char* name;
    MadeProbe id;
    std::string fields;
  } kFormats[] = {{"blk_aio_preadv", kReadProbeId, move},
                  {"blk_aio_pwritev", kWriteProbeId, move},
                  {"blk_aio_flush", kFlushProbeId, fields({"u64 backend", "u64 request"})},
                  {"virtqueue_push", kPushProbeId, fields({"u64 queue", "u64 request", "u64 bytes"})},
                  {"virtio_notify_irqfd", kNotifyProbeId, fields({"u64 queue"})}};
  std::string out;
  for (const auto& format : kFormats) {
    const std::string name = format.name + more;
    decode::append_format_file(out, "uprobe/" + name + "/format",
                               "name: " + name + "\nID: " + std::to_string(format.id) + "\n" + common +
                                   format.fields + "print fmt: \"\"\n");
  }
  return out;
}

/// A made run whose host has the pack's events, by a thread of vm1's QEMU unless another is named.
class MadeProbedIo : public MadeIo {
 public:
  explicit MadeProbedIo(const std::string& more = "") { more_host_formats = made_probe_formats(more); }

  /// Sectors of the guest's disk.
  void enter(std::uint64_t at, std::uint64_t request, std::uint64_t sector, std::uint32_t count = 8,
             MadeProbe id = kReadProbeId, std::uint64_t backend = kBackend1) {
    hit(at, id, kQemu1, {backend, sector * kSectorBytes, count * kSectorBytes, request});
  }
  void enter_flush(std::uint64_t at, std::uint64_t request, std::uint64_t backend = kBackend1) {
    hit(at, kFlushProbeId, kQemu1, {backend, request});
  }
  /// Of a read of so many sectors; 0: of a write or a flush.
  void push(std::uint64_t at, std::uint64_t request, std::uint32_t count = 8, std::int32_t tid = kQemu1,
            std::uint64_t queue = kQueue1) {
    hit(at, kPushProbeId, tid, {queue, request, count * kSectorBytes + 1});
  }
  void notify(std::uint64_t at, std::uint64_t queue = kQueue1) { hit(at, kNotifyProbeId, kQemu1, {queue}); }

 private:
  void hit(std::uint64_t at, MadeProbe id, std::int32_t tid, const std::vector<std::uint64_t>& fields) {
    decode::Bytes record = decode::make_record(id, tid, 16);
    for (const std::uint64_t field : fields) decode::append_value(record, field);
    add(at, std::move(record));
  }
};

}  // namespace ivtrace::model
