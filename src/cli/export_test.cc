#include <gmock/gmock.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/fd.h"
#include "cli/cli.h"
#include "cli/sample_run.h"

namespace ivtrace::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct Outcome {
  ExitCode code;
  std::string out;
  std::string err;
};

class Export : public ::testing::Test {
 protected:
  void SetUp() override {
    // The person who runs the tests may have patterns.
    ::setenv("XDG_CONFIG_HOME", (scratch_ / "config").c_str(), 1);
    write_sample_run(run_, {.hole = false, .unaligned = false, .paused = false});
    fs::create_directory(place_);
  }
  void TearDown() override { ::unsetenv("XDG_CONFIG_HOME"); }

  static Outcome ask(const std::vector<std::string>& arguments) {
    Output out = Output::to_memory();
    Output err = Output::to_memory();
    Streams streams{out, err};
    const ExitCode code = run_cli(arguments, streams);
    return {code, out.captured(), err.captured()};
  }
  Outcome write(const std::string& format, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"export", run_, "--format", format, "-o", out_});
    return ask(more);
  }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(place_), fs::directory_iterator()));
  }
  std::string written(const std::string& file = "") const {
    return read_file(out_ + (file.empty() ? "" : "/" + file)).value();
  }

  run::ScratchDirectory scratch_;
  std::string run_ = scratch_ / "run.ivt";
  std::string place_ = scratch_ / "place";
  std::string out_ = place_ + "/out";
};

TEST_F(Export, EveryTableIsWhatAQueryPrintsOfIt) {
  for (const std::string form : {"json", "csv"}) {
    const Outcome outcome = write(form, {"--force"});
    EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("ivtrace: irq_slice is empty: no interrupt was recorded\n"));
    const std::string ending = form == "json" ? ".jsonl" : ".csv";
    std::size_t tables = 0;
    for (const auto& entry : fs::directory_iterator(out_)) {
      if (entry.path().extension() != ending) continue;
      ++tables;
      const std::string table = entry.path().stem();
      const Outcome asked = ask({"query", run_, "SELECT * FROM " + table, "--" + form});
      EXPECT_EQ(written(table + ending), asked.out);
    }
    const std::string list = ask({"query", run_, ".tables", "--csv"}).out;
    EXPECT_EQ(tables + 1, static_cast<std::size_t>(std::ranges::count(list, '\n')));
    EXPECT_THAT(written(".ivtrace-export"), HasSubstr("sched_slice" + ending + "\n"));
  }
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Export, WhatIsThereIsReplacedWhenItIsAskedFor) {
  ASSERT_EQ(write("timedoctor").code, ExitCode::kOk);
  const std::string before = written();
  EXPECT_TRUE(before.starts_with("TIME 1000000000\nCPU 1 ")) << before;
  std::ofstream(out_) << "mine";
  const Outcome refused = write("timedoctor");
  EXPECT_EQ(refused.code, ExitCode::kFailed);
  EXPECT_EQ(refused.err, "ivtrace: " + out_ + " is there already (--force replaces it)\n");
  EXPECT_EQ(written(), "mine");
  EXPECT_EQ(write("timedoctor", {"--force"}).code, ExitCode::kOk);
  EXPECT_EQ(written(), before);
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Export, AFolderOfSomebodyElseIsNeverReplaced) {
  fs::create_directory(out_);
  std::ofstream(out_ + "/work") << "mine";
  const Outcome outcome = write("csv", {"--force"});
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_THAT(outcome.err, HasSubstr("more in it than this command wrote"));
  EXPECT_EQ(written("work"), "mine");
  EXPECT_EQ(write("timedoctor", {"--force"}).code, ExitCode::kFailed);  // a folder is no file
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Export, WhatMakesNoSenseIsSaidAndLeavesNothing) {
  const Outcome format = write("pdf");
  EXPECT_EQ(format.code, ExitCode::kUsage);
  EXPECT_THAT(format.err, AllOf(HasSubstr("timedoctor"), HasSubstr("json"), HasSubstr("csv")));
  EXPECT_EQ(ask({"export", run_, "--format", "csv"}).code, ExitCode::kUsage);
  EXPECT_EQ(write("csv", {"--from", "yesterday"}).code, ExitCode::kUsage);
  const Outcome machine = write("csv", {"--machine", "vm9"});
  EXPECT_EQ(machine.code, ExitCode::kFailed);
  EXPECT_EQ(machine.err, "ivtrace: there is no machine vm9 in the run (ivtrace info lists them)\n");
  out_ = scratch_ / "missing/out";
  EXPECT_EQ(write("timedoctor").code, ExitCode::kFailed);
  EXPECT_EQ(entries(), 0u);
}

TEST_F(Export, APartOfTheRunIsWritten) {
  ASSERT_EQ(write("csv", {"--machine", "vm1", "--from", "2us", "--until", "500ms"}).code, ExitCode::kOk);
  EXPECT_EQ(written("event.csv"),
            ask({"query", run_, "SELECT * FROM event WHERE time_ns = 2500", "--csv"}).out);
  EXPECT_THAT(written("event.csv"), HasSubstr("\nvm1,0,2500,9,"));
}

TEST_F(Export, AGuestWithoutAClockIsToldAndMissing) {
  fs::remove_all(run_);
  write_sample_run(run_);
  for (const std::string format : {"timedoctor", "json", "csv"}) {
    const Outcome outcome = write(format, {"--force"});
    EXPECT_EQ(outcome.code, ExitCode::kLoss);
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("vm2"), HasSubstr("events are missing in what was written")));
    fs::remove_all(out_);
  }
}

}  // namespace
}  // namespace ivtrace::cli
