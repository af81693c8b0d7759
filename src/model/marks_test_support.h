// A made run of a host with one CPU whose threads marked the trace, by texts and by USDT probes.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "decode/format_file.h"
#include "decode/page_builder.h"
#include "run/run_reader.h"
#include "run/run_test_support.h"
#include "run/run_writer.h"

namespace ivtrace::model {

inline constexpr std::uint64_t kMarksBegin = 2'000'000;

/// Times are ticks since the run's start, rising.
class MadeMarks {
 public:
  /// `tid`: who wrote it.
  MadeMarks& text(std::uint64_t at, std::int32_t tid, const std::string& text) {
    decode::Bytes record = decode::make_record(kPrintId, tid, 16);
    decode::append_bytes(record, text.c_str(), text.size() + 1);
    return event(at, std::move(record));
  }
  /// A thread passed the point `begin`, to which two programs' probes are set; a name of up to 100 bytes.
  MadeMarks& probed_begin(std::uint64_t at, std::int32_t tid, const std::string& name, bool second = false) {
    return event(at, probed(second ? kBegin2Id : kBeginId, tid, name, nullptr));
  }
  MadeMarks& probed_end(std::uint64_t at, std::int32_t tid) {
    return event(at, decode::make_record(kEndId, tid, 16));
  }
  MadeMarks& probed_instant(std::uint64_t at, std::int32_t tid, const std::string& name) {
    return event(at, probed(kInstantId, tid, name, nullptr));
  }
  MadeMarks& probed_counter(std::uint64_t at, std::int32_t tid, const std::string& name, std::int64_t value) {
    return event(at, probed(kCounterId, tid, name, &value));
  }
  /// The point `begin` of another provider.
  MadeMarks& others_begin(std::uint64_t at, std::int32_t tid) {
    return event(at, decode::make_record(kOthersId, tid, 16));
  }
  /// A thread begins another one, or a process of its own.
  MadeMarks& new_task(std::uint64_t at, std::int32_t parent, std::int32_t child, bool is_thread) {
    decode::Bytes record = decode::make_record(kNewTaskId, parent, 24);
    const std::uint64_t flags = is_thread ? 0x10000 : 0;
    std::memcpy(record.data() + 8, &child, sizeof child);
    std::memcpy(record.data() + 16, &flags, sizeof flags);
    return event(at, std::move(record));
  }
  /// Events were lost here.
  MadeMarks& lose() {
    turn();
    missed_ = true;
    return *this;
  }

  std::vector<std::string> problems;  ///< for who reads the run
  bool anchors = false;               ///< so that ticks are nanoseconds since the start

  run::RunReader open() {
    turn();
    write();
    return *run::RunReader::open(path_);
  }

 private:
  static constexpr std::size_t kPageSize = 4096;
  static constexpr std::uint16_t kPrintId = 5;
  static constexpr std::uint16_t kNewTaskId = 6;
  static constexpr std::uint16_t kBeginId = 40;
  static constexpr std::uint16_t kBegin2Id = 41;
  static constexpr std::uint16_t kEndId = 42;
  static constexpr std::uint16_t kInstantId = 43;
  static constexpr std::uint16_t kCounterId = 44;
  static constexpr std::uint16_t kOthersId = 45;

  MadeMarks& event(std::uint64_t at, decode::Bytes record) {
    record.resize((record.size() + 3) & ~std::size_t{3});
    if (page_.events().size() + record.size() + 16 > kPageSize - format::kSubBufferHeader) turn();
    page_.event(static_cast<std::uint32_t>(at - last_), record);
    last_ = at;
    return *this;
  }
  static decode::Bytes probed(std::uint16_t id, std::int32_t tid, const std::string& name,
                              const std::int64_t* value) {
    const std::size_t fixed = value == nullptr ? 20 : 28;
    decode::Bytes record = decode::make_record(id, tid, fixed);
    const auto place = static_cast<std::uint32_t>((name.size() + 1) << 16 | fixed);
    std::memcpy(record.data() + 16, &place, sizeof place);
    if (value != nullptr) std::memcpy(record.data() + 20, value, sizeof *value);
    decode::append_bytes(record, name.c_str(), name.size() + 1);
    return record;
  }

  void turn() {
    if (!page_.events().empty()) {
      const decode::Bytes slot = page_.slot(kPageSize, missed_);
      decode::append_bytes(pages_, slot.data(), slot.size());
      missed_ = false;
    }
    page_ = decode::PageBuilder(kMarksBegin + last_);
  }
  static void add_format(std::string& formats, const std::string& system, const std::string& name,
                         std::uint16_t id, const std::string& fields) {
    decode::append_format_file(formats, system + "/" + name + "/format",
                               "name: " + name + "\nID: " + std::to_string(id) +
                                   "\nformat:\n"
                                   "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n" +
                                   fields + "\nprint fmt: \"\"\n");
  }
  static std::string formats() {
    const std::string ip = "\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n";
    const std::string name = ip + "\tfield:__data_loc char[] name;\toffset:16;\tsize:4;\tsigned:1;\n";
    std::string all;
    add_format(all, "ftrace", "print", kPrintId, "\tfield:char buf[];\toffset:16;\tsize:0;\tsigned:0;\n");
    add_format(all, "task", "task_newtask", kNewTaskId,
               "\tfield:pid_t pid;\toffset:8;\tsize:4;\tsigned:1;\n"
               "\tfield:unsigned long clone_flags;\toffset:16;\tsize:8;\tsigned:0;\n");
    add_format(all, "usdt", "begin", kBeginId, name);
    add_format(all, "usdt", "begin_2", kBegin2Id, name);
    add_format(all, "usdt", "end", kEndId, ip);
    add_format(all, "usdt", "instant", kInstantId, name);
    add_format(all, "usdt", "counter", kCounterId,
               name + "\tfield:s64 value;\toffset:20;\tsize:8;\tsigned:1;\n");
    add_format(all, "usdt", "begin_3", kOthersId, ip);
    return all;
  }
  void write() {
    run::Manifest manifest;
    manifest.start_tsc = HostTsc(kMarksBegin);
    auto writer = *run::RunWriter::create(path_, manifest);
    run::MachineRecord machine;
    machine.name = "host";
    machine.kind = "host";
    machine.cpu_count = 1;
    ASSERT_TRUE(writer->append(machine));
    std::uint32_t id = 0;
    const auto probe = [&](const std::string& source, const std::string& event) {
      run::TracerRecord record;
      record.machine = "host";
      record.kind = "probe";
      record.id = id++;
      record.name = event;
      record.source = source;
      record.state = "armed";
      record.events = {event};
      ASSERT_TRUE(writer->append(record));
    };
    for (const char* name : {"begin", "end", "instant", "counter"})
      probe("usdt:/bin/x:ivtrace:*", std::string("usdt:") + name);
    probe("usdt:/bin/y:ivtrace:begin name=arg1:string", "usdt:begin_2");
    probe("usdt:/bin/z:other:begin", "usdt:begin_3");
    for (std::uint64_t i = 0; anchors && i < 2; ++i) {
      const auto ns = static_cast<std::int64_t>(i * 1'000'000'000);
      const HostTsc tsc(kMarksBegin + i * 1'000'000'000);
      ASSERT_TRUE(writer->append(
          run::AnchorRecord{{tsc, 10, Nanoseconds{ns}, Nanoseconds{ns}, Nanoseconds{ns}, -1, -1}}));
    }
    ASSERT_TRUE(writer->write_text("host", format::kFormatsName, formats()));
    ASSERT_TRUE(
        writer->append(run::SegmentRecord{"host", "", 0, 0, format::PageLayout::kSlots, kPageSize, 0}));
    auto fd = writer->open_pages("host", "", 0);
    ASSERT_TRUE(fd);
    ASSERT_TRUE(pwrite_all(fd->get(), pages_, 0, "pages"));
  }

  run::ScratchDirectory scratch_;
  std::string path_ = scratch_ / "run.ivt";
  decode::Bytes pages_;
  decode::PageBuilder page_{kMarksBegin};
  std::uint64_t last_ = 0;
  bool missed_ = false;
};

}  // namespace ivtrace::model
