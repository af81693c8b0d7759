#include "merge/run_events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "decode/format_file.h"
#include "format/text_event.h"
#include "merge/stream_test_support.h"
#include "run/run_test_support.h"
#include "run/run_writer.h"

namespace ivtrace::merge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A run of a host with two CPUs, an aligned guest whose TSC is 5000 behind, and a guest without a clock.
class RunEventsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    run::Manifest manifest;
    manifest.start_tsc = HostTsc(10000);
    writer_ = *run::RunWriter::create(path_, manifest);
    add_machine("host");
    add_machine("vm1");
    add_machine("vm2");
    clock::Epoch epoch;
    epoch.valid_from = GuestTsc(1);
    epoch.host_from = HostTsc(5001);
    epoch.relation.offset = -5000;
    epoch.source = clock::ClockSource::kHandshake;
    append(run::EpochRecord{"vm1", epoch});

    add_file("host", 0, format::PageLayout::kSlots, {{10100, 1}, {10300, 2}, {10900, 3}});
    add_file("host", 1, format::PageLayout::kSlots, {{10200, 4}, {10300, 5}});
    add_file("vm1", 0, format::PageLayout::kPacked, {{5150, 6}, {5300, 7}});
    add_file("vm2", 0, format::PageLayout::kPacked, {{77, 8}});
    add_file("vm2", 1, format::PageLayout::kPacked, {{87, 9}});

    run::LossRecord loss;
    loss.machine = "vm1";
    loss.reason = "corrupt-chunk";
    loss.bytes = 64;
    loss.from = HostTsc(10250);
    loss.until = HostTsc(10260);
    append(loss);
    format::CpuCounters counters;
    counters.cpu = 1;
    counters.dropped = 12;
    append(run::CountersRecord{"host", "", 0, true, counters});
    // Pages speak for an overrun themselves; vm1's CPU 1 has none.
    counters = {};
    counters.overrun = 3;
    append(run::CountersRecord{"vm1", "", 0, true, counters});
    counters.cpu = 1;
    append(run::CountersRecord{"vm1", "", 0, true, counters});
    append(run::EndRecord{HostTsc(20000), "duration"});
    writer_.reset();
    auto reader = run::RunReader::open(path_);
    ASSERT_TRUE(reader) << reader.error().message;
    reader_ = std::make_unique<run::RunReader>(*std::move(reader));
  }

  void append(const run::Record& record) { ASSERT_TRUE(writer_->append(record)); }

  void add_machine(const std::string& name) {
    run::MachineRecord machine;
    machine.name = name;
    machine.kind = name == "host" ? "host" : "guest";
    machine.cpu_count = 2;
    append(machine);
    std::string formats;
    decode::append_format_file(formats, "test/probe/format",
                               "name: probe\nID: 77\nformat:\n\nprint fmt: \"\"\n");
    ASSERT_TRUE(writer_->write_text(name, format::kFormatsName, formats));
  }

  void add_file(const std::string& machine, std::uint32_t cpu, format::PageLayout layout,
                const std::vector<MadeEvent>& events) {
    append(run::SegmentRecord{machine, "", cpu, 0, layout, 4096, 0});
    FileBuilder file(layout);
    for (const MadeEvent& event : events) file.event(event);
    auto fd = writer_->open_pages(machine, "", cpu);
    ASSERT_TRUE(fd);
    ASSERT_TRUE(pwrite_all(fd->get(), file.bytes(), 0, "pages"));
  }

  /// "time machine/cpu pid" or "time machine/cpu reason" of every item.
  std::vector<std::string> items(const Filter& filter) {
    auto events = RunEvents::open(*reader_, filter);
    EXPECT_TRUE(events);
    std::vector<std::string> out;
    MergedEvent event;
    while (events->next(event)) {
      std::string line =
          std::to_string(event.time.value) + " " + std::string(event.stream->machine_name) + "/";
      if (event.loss != nullptr) {
        line += event.loss->cpu ? std::to_string(event.loss->cpu->value) : "*";
        line += " " + std::string(event.loss->reason);
      } else {
        EXPECT_NE(event.stream->formats->find(event.id), nullptr);
        line +=
            std::to_string(event.stream->cpu.value) + " " + std::to_string(decode::event_pid(event.record));
        if (!event.aligned) line += " assumed";
      }
      out.push_back(line);
    }
    notices_ = events->notices();
    unaligned_ = events->unaligned();
    return out;
  }

  run::ScratchDirectory scratch_;
  std::string path_ = scratch_ / "run.ivt";
  std::unique_ptr<run::RunWriter> writer_;
  std::unique_ptr<run::RunReader> reader_;
  std::vector<std::string> notices_;
  std::vector<std::string> unaligned_;
};

TEST_F(RunEventsTest, PutsHostAndAlignedGuestsIntoOneOrderWithTheirHoles) {
  EXPECT_THAT(items({}),
              ElementsAre("10100 host/0 1", "10150 vm1/0 6", "10200 host/1 4", "10260 vm1/* corrupt-chunk",
                          "10300 host/0 2", "10300 host/1 5", "10300 vm1/0 7", "10900 host/0 3",
                          "20000 host/1 dropped-events", "20000 vm1/1 overrun"));
}

TEST_F(RunEventsTest, LeavesAGuestWithoutAClockOutAndSaysSo) {
  items({});
  EXPECT_THAT(unaligned_, ElementsAre("vm2"));
  EXPECT_THAT(notices_,
              ElementsAre(HasSubstr("vm2 has no trustworthy relation to the host's clock: left out")));
}

TEST_F(RunEventsTest, ForcedAGuestWithoutAClockStartsWithTheRunAndKeepsItsOwnDistances) {
  Filter filter;
  filter.include_unaligned = true;
  filter.machines = {"vm2"};
  EXPECT_THAT(items(filter), ElementsAre("10000 vm2/0 8 assumed", "10010 vm2/1 9 assumed"));
  EXPECT_THAT(notices_, ElementsAre(HasSubstr("placed by assumption")));
}

TEST_F(RunEventsTest, FiltersByMachineCpuAndTime) {
  Filter filter;
  filter.machines = {"host"};
  filter.cpus = {0};
  EXPECT_THAT(items(filter), ElementsAre("10100 host/0 1", "10300 host/0 2", "10900 host/0 3"));
  filter = {};
  filter.range = {HostTsc(10200), HostTsc(10300)};
  EXPECT_THAT(items(filter),
              ElementsAre("10200 host/1 4", "10260 vm1/* corrupt-chunk", "10300 host/0 2", "10300 host/1 5",
                          "10300 host/1 dropped-events", "10300 vm1/0 7", "10300 vm1/1 overrun"));
}

TEST_F(RunEventsTest, AMachineThatIsNotThereIsAnErrorThatNamesTheOthers) {
  Filter filter;
  filter.machines = {"vm9"};
  const auto events = RunEvents::open(*reader_, filter);
  ASSERT_FALSE(events);
  EXPECT_EQ(events.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(events.error().to_string(), HasSubstr("host, vm1, vm2"));
}

/// A host whose one CPU printed some texts between two of its kernel's events.
TEST(RunEvents, TextsThatMeanAnEventAreGivenAsThatEvent) {
  const run::ScratchDirectory scratch;
  const std::string path = scratch / "run.ivt";
  run::Manifest manifest;
  manifest.start_tsc = HostTsc(10000);
  const std::unique_ptr<run::RunWriter> writer = *run::RunWriter::create(path, manifest);
  run::MachineRecord machine;
  machine.name = "host";
  machine.kind = "host";
  machine.cpu_count = 1;
  ASSERT_TRUE(writer->append(machine));
  std::string formats;
  decode::append_format_file(formats, "test/probe/format",
                             "name: probe\nID: 77\nformat:\n\nprint fmt: \"\"\n");
  decode::append_format_file(formats, "ftrace/print/format",
                             "name: print\nID: 5\nformat:\n"
                             "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n"
                             "\tfield:char buf[];\toffset:16;\tsize:0;\tsigned:0;\n\nprint fmt: \"\"\n");
  decode::append_format_file(
      formats, "stap/disk/format",
      *format::text_event_format(format::kDeclaredEventIds, "disk", "u64 sector; string name"));
  ASSERT_TRUE(writer->write_text("host", format::kFormatsName, formats));
  ASSERT_TRUE(writer->append(run::SegmentRecord{"host", "", 0, 0, format::PageLayout::kSlots, 4096, 0}));

  decode::PageBuilder page(10100);
  page.event(0, decode::make_record(77, 1));
  std::int32_t pid = 10;
  for (const char* text : {"B|7|work\n", "stap:disk sector=8 name=\"vda\"\n", "only text\n", "E|7\n"}) {
    decode::Bytes print = decode::make_record(5, pid++, 16);
    decode::append_bytes(print, text, std::string_view(text).size() + 1);
    print.resize((print.size() + 3) & ~std::size_t{3});
    page.event(10, print);
  }
  page.event(10, decode::make_record(77, 2));
  auto fd = writer->open_pages("host", "", 0);
  ASSERT_TRUE(fd);
  ASSERT_TRUE(pwrite_all(fd->get(), page.slot(4096), 0, "pages"));

  const auto reader = run::RunReader::open(path);
  ASSERT_TRUE(reader) << reader.error().message;
  auto events = RunEvents::open(*reader, {});
  ASSERT_TRUE(events);
  std::vector<std::string> seen;
  for (MergedEvent event; events->next(event);) {
    EXPECT_EQ(event.id, decode::event_id(event.record));
    const decode::EventFormat* const kind = event.stream->formats->find(event.id);
    ASSERT_NE(kind, nullptr);
    std::string line = std::to_string(event.time.value) + " " + kind->full_name() + " " +
                       std::to_string(decode::event_pid(event.record));
    if (const decode::Field* const name = kind->find("name"); name != nullptr)
      line += " " + std::string(decode::read_string(event.record, *name).value_or("?"));
    seen.push_back(line);
  }
  EXPECT_THAT(seen, ElementsAre("10100 test:probe 1", "10110 mark:begin 10 work", "10120 stap:disk 11 vda",
                                "10130 ftrace:print 12", "10140 mark:end 13", "10150 test:probe 2"));
}

}  // namespace
}  // namespace ivtrace::merge
