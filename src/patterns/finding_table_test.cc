#include "patterns/finding_table.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fd.h"
#include "model/model_test_support.h"

namespace ivtrace::patterns {
namespace {

using ::testing::HasSubstr;

Pattern finds(const std::string& name, const std::string& severity) {
  PatternProblem problem;
  const std::string source =
      "-- title: T\n-- text: {victim} suffers\nSELECT 'vm1' AS victim, 5 AS from_ns, 9 AS until_ns, '" +
      severity + "' AS severity";
  return parse_pattern(name, "", source, problem).value();
}

TEST(FindingTable, HasARowForEachFindingTheGravestFirst) {
  model::MadeRun made;
  made.anchors = true;
  const run::RunReader run = made.open();
  const auto clock = clock::HostClock::create(run.anchors(), run.manifest().start_tsc).value();
  std::vector<std::unique_ptr<query::Table>> more;
  more.push_back(finding_table(run, clock, nullptr, query::CacheUse::kNone,
                               {finds("a", "info"), finds("b", "critical")}));
  const auto database =
      query::Database::open(run, clock, nullptr, query::CacheUse::kNone, std::move(more)).value();
  query::Statement statement =
      database->prepare("SELECT pattern, severity, culprit, until_ns - from_ns, text FROM finding").value();
  std::vector<std::string> rows;
  while (statement.step().value()) {
    EXPECT_EQ(statement.owned_cell(2), query::OwnedCell());
    EXPECT_EQ(statement.owned_cell(3), query::OwnedCell(std::int64_t{4}));
    rows.push_back(std::get<std::string>(statement.owned_cell(0)) + " " +
                   std::get<std::string>(statement.owned_cell(1)) + " " +
                   std::get<std::string>(statement.owned_cell(4)));
  }
  EXPECT_EQ(rows, (std::vector<std::string>{"b critical vm1 suffers", "a info vm1 suffers"}));

  const query::TableInfo* const table = database->find("finding");
  ASSERT_NE(table, nullptr);
  const std::string page = *read_file("docs/tables.md");
  std::string wanted = "## finding\n\n" + std::string(table->meaning) +
                       ".\n\n| column | type | unit | meaning |\n|---|---|---|---|\n";
  for (const query::Column& column : table->columns)
    wanted += fmt::format("| {} | {} | {} | {} |\n", column.name, to_string(column.type), column.unit,
                          column.meaning);
  EXPECT_THAT(page, HasSubstr(wanted));
}

}  // namespace
}  // namespace ivtrace::patterns
