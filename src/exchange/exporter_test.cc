#include "exchange/exporter.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "exchange/export_test_support.h"
#include "model/model_test_support.h"

namespace ivtrace::exchange {
namespace {

TEST(Exporters, AreKnownByTheirNames) {
  for (const Exporter& exporter : exporters()) EXPECT_EQ(find_exporter(exporter.name), &exporter);
  EXPECT_EQ(find_exporter("pdf"), nullptr);
}

TEST(Exporters, WhatIsEndedLeavesNothing) {
  model::MadeRun made;
  made.anchors = true;
  made.host_switch(kMadeStart + 10, 1, 1, 900, "hog");
  made.host_switch(kMadeStart + 20, 900, 1, 1, "init");
  const run::RunReader run = made.open();
  const auto clock = clock::HostClock::create(run.anchors(), run.manifest().start_tsc).value();
  const std::atomic<bool> stop = true;
  NoProgress progress(&stop);
  for (const Exporter& exporter : exporters()) {
    const run::ScratchDirectory scratch;
    const Request request{scratch / "out", false, {}, query::CacheUse::kNone};
    const Result<Summary> done = write_export(exporter, run, clock, request, progress);
    ASSERT_FALSE(done) << exporter.name;
    EXPECT_EQ(done.error().message, progress.check().error().message) << exporter.name;
    EXPECT_TRUE(std::filesystem::is_empty(scratch / ".")) << exporter.name;
  }
}

}  // namespace
}  // namespace ivtrace::exchange
