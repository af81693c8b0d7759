#include "patterns/finding_table.h"

#include <optional>

#include "patterns/judge.h"

namespace ivtrace::patterns {
namespace {

using query::Cell;
constexpr auto kText = query::Type::kText;
constexpr auto kInteger = query::Type::kInteger;
constexpr auto kReal = query::Type::kReal;

class FindingTable : public query::Table {
 public:
  explicit FindingTable(std::function<Result<std::vector<Finding>>()> source) : source_(std::move(source)) {}

  const query::TableInfo& info() const override {
    static const query::TableInfo kInfo = {
        "finding",
        "What the failure patterns find, the gravest first",
        {{"pattern", kText, "", "that found it"},
         {"title", kText, "", "of the pattern"},
         {"severity", kText, "", "info, warning or critical"},
         {"victim", kText, "", "the machine that suffers"},
         {"culprit", kText, "", "a machine, a process's name, a device; NULL: nobody"},
         {"share", kReal, "", "the culprit's part of it, from 0 to 1; NULL: not known"},
         {"from_ns", kInteger, "ns", "since when, from the run's start"},
         {"until_ns", kInteger, "ns", "until when"},
         {"confidence", kReal, "", "from 0 to 1"},
         {"impact_ns", kReal, "ns", "what it cost the victim"},
         {"text", kText, "", "the finding in words"},
         {"advice", kText, "", "what to do"}}};
    return kInfo;
  }
  double row_estimate() const override { return 10; }
  std::unique_ptr<query::Cursor> open() override;

  Status make() {
    if (findings_) return {};
    IVT_ASSIGN_OR_RETURN(findings_, source_());
    return {};
  }
  const std::vector<Finding>& findings() const { return *findings_; }

 private:
  std::function<Result<std::vector<Finding>>()> source_;
  std::optional<std::vector<Finding>> findings_;
};

class FindingCursor : public query::Cursor {
 public:
  explicit FindingCursor(FindingTable& table) : table_(table) {}

  Status start(std::span<const query::Constraint>, std::uint32_t) override {
    at_ = 0;
    return table_.make();
  }
  Status next() override {
    ++at_;
    return {};
  }
  bool at_end() const override { return at_ >= table_.findings().size(); }
  std::int64_t row_id() const override { return static_cast<std::int64_t>(at_ + 1); }
  Cell cell(int column) override {
    const Finding& finding = table_.findings()[at_];
    switch (column) {
      case 0:
        return std::string_view(finding.pattern);
      case 1:
        return std::string_view(finding.title);
      case 2:
        return std::string_view(to_string(finding.severity));
      case 3:
        return std::string_view(finding.victim);
      case 4:
        return finding.culprit ? Cell(std::string_view(*finding.culprit)) : Cell();
      case 5:
        return finding.share ? Cell(*finding.share) : Cell();
      case 6:
        return finding.from_ns;
      case 7:
        return finding.until_ns;
      case 8:
        return finding.confidence;
      case 9:
        return finding.impact_ns;
      case 10:
        return std::string_view(finding.text);
      default:
        return std::string_view(finding.advice);
    }
  }

 private:
  FindingTable& table_;
  std::size_t at_ = 0;
};

std::unique_ptr<query::Cursor> FindingTable::open() { return std::make_unique<FindingCursor>(*this); }

}  // namespace

std::unique_ptr<query::Table> finding_table(const run::RunReader& run, const clock::HostClock& clock,
                                            query::StopFlag stop, query::CacheUse cache,
                                            std::vector<Pattern> patterns) {
  return finding_table(
      [&run, &clock, stop, cache, patterns = std::move(patterns)]() -> Result<std::vector<Finding>> {
        IVT_ASSIGN_OR_RETURN(const std::unique_ptr<query::Database> database,
                             query::Database::open(run, clock, stop, cache));
        IVT_ASSIGN_OR_RETURN(Diagnosis diagnosis, diagnose(*database, patterns));
        return std::move(diagnosis.findings);
      });
}

std::unique_ptr<query::Table> finding_table(std::function<Result<std::vector<Finding>>()> findings) {
  return std::make_unique<FindingTable>(std::move(findings));
}

}  // namespace ivtrace::patterns
