#include "exchange/thread_names.h"

#include <gtest/gtest.h>

#include <cstring>

#include "decode/page_builder.h"

namespace ivtrace::exchange {
namespace {

constexpr std::uint16_t kSwitch = 12;

decode::FormatTable formats() {
  std::string text;
  decode::append_format_file(
      text, "sched/sched_switch/format",
      "name: sched_switch\nID: 12\nformat:\n"
      "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
      "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
      "\tfield:pid_t next_pid;\toffset:8;\tsize:4;\tsigned:1;\n"
      "\tfield:char next_comm[16];\toffset:12;\tsize:16;\tsigned:0;\n\nprint fmt: \"%d\", REC->next_pid\n");
  return decode::FormatTable::parse(text);
}

decode::Bytes switch_to(std::int32_t thread, const char* comm) {
  decode::Bytes record = decode::make_record(kSwitch, 1, 28);
  std::memcpy(record.data() + 8, &thread, 4);
  std::memcpy(record.data() + 12, comm, std::strlen(comm));
  return record;
}

TEST(ThreadNames, TheLastNameInTimeCountsInWhateverOrderEventsCome) {
  const decode::FormatTable table = formats();
  ThreadNames names(table, "5 old\n5 older\n6 init\nnonsense\n7\n");
  names.look(kSwitch, switch_to(5, "second"), HostTsc(20));
  names.look(kSwitch, switch_to(5, "first"), HostTsc(10));
  names.look(kSwitch, switch_to(0, "swapper/0"), HostTsc(10));
  names.look(99, switch_to(6, "unknown event"), HostTsc(30));
  EXPECT_EQ(names.text(), "5 second\n6 init\n");
}

TEST(ThreadNames, ANameCannotBreakOutOfItsLine) {
  const decode::FormatTable table = formats();
  ThreadNames names(table, "");
  names.look(kSwitch, switch_to(5, "a\n6 b\x1b["), HostTsc(20));
  names.look(kSwitch, switch_to(8, ""), HostTsc(20));
  EXPECT_EQ(names.text(), "5 a\\x0a6 b\\x1b[\n");
}

}  // namespace
}  // namespace ivtrace::exchange
