#include "patterns/judge.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "patterns/recorded.h"

namespace ivtrace::patterns {
namespace {

constexpr const char* kRequired[] = {"victim", "from_ns", "until_ns"};
// Columns with a place of their own in a finding.
constexpr const char* kKnown[] = {"victim",   "culprit",    "share",    "from_ns",
                                  "until_ns", "confidence", "severity", "impact_ns"};

/// A pattern on its way, with its statement made.
struct Trial {
  const Pattern* pattern = nullptr;
  std::set<std::string> unfit;  ///< guests that lack what it needs
  query::Statement statement;
};

std::optional<double> number_of(const query::Parameters& row, const char* column) {
  const auto found = row.find(column);
  if (found == row.end()) return std::nullopt;
  if (const auto* const number = std::get_if<std::int64_t>(&found->second))
    return static_cast<double>(*number);
  if (const auto* const real = std::get_if<double>(&found->second)) return *real;
  return std::nullopt;
}
std::optional<std::string> text_of(const query::Parameters& row, const char* column) {
  const auto found = row.find(column);
  if (found == row.end()) return std::nullopt;
  const auto* const text = std::get_if<std::string>(&found->second);
  return text != nullptr ? std::optional<std::string>(*text) : std::nullopt;
}
std::int64_t time_of(const query::Parameters& row, const char* column) {
  const auto found = row.find(column);
  if (const auto* const number = std::get_if<std::int64_t>(&found->second)) return *number;
  constexpr double kMost = 1ll << 62;
  return static_cast<std::int64_t>(std::clamp(number_of(row, column).value_or(0), -kMost, kMost));
}

class Judge {
 public:
  Judge(query::Database& database, std::span<const Pattern> patterns)
      : database_(database), patterns_(patterns) {}

  Result<Diagnosis> judge() {
    IVT_ASSIGN_OR_RETURN(recorded_, Recorded::read(database_));
    // All statements first: the tables learn what all of them need before the first one walks.
    std::vector<Trial> trials;
    for (const Pattern& pattern : patterns_) {
      std::set<std::string> unfit;
      if (!can_be_tried(pattern, unfit)) continue;
      std::optional<query::Statement> statement = prepare(pattern);
      if (statement) trials.push_back({&pattern, std::move(unfit), std::move(*statement)});
    }
    for (Trial& trial : trials) IVT_RETURN_IF_ERROR(run(trial));
    diagnosis_.tried = trials.size();
    std::stable_sort(diagnosis_.findings.begin(), diagnosis_.findings.end(),
                     [](const Finding& a, const Finding& b) {
                       return std::tuple(a.severity, a.impact_ns) > std::tuple(b.severity, b.impact_ns);
                     });
    return std::move(diagnosis_);
  }

 private:
  /// Says of which machine something is missing; true when there is something to try it on all the same.
  bool can_be_tried(const Pattern& pattern, std::set<std::string>& unfit) {
    const std::vector<std::string> guests = recorded_.guests();
    bool host_fits = true;
    bool needs_guest = false;
    for (const Need& need : pattern.needs) {
      if (!need.of_guest) {
        host_fits = has(pattern, need, Recorded::kHost) && host_fits;
        continue;
      }
      needs_guest = true;
      for (const std::string& guest : guests) {
        if (!unfit.contains(guest) && !has(pattern, need, guest)) unfit.insert(guest);
      }
    }
    if (needs_guest && guests.empty()) {
      const Recorded::Fact none = recorded_.no_guest();
      diagnosis_.unknown.push_back({pattern.name, "", none.reason, none.option});
    }
    return host_fits && (!needs_guest || unfit.size() < guests.size());
  }
  bool has(const Pattern& pattern, const Need& need, const std::string& machine) {
    const Recorded::Fact fact = recorded_.find(need.what, machine);
    if (!fact.there) diagnosis_.unknown.push_back({pattern.name, machine, fact.reason, fact.option});
    return fact.there;
  }

  void complain(const Pattern& pattern, std::size_t line, std::string reason) {
    diagnosis_.problems.push_back({pattern.name, pattern.file, line, std::move(reason)});
  }
  /// Of what goes wrong anew for each finding.
  void complain_once(const Pattern& pattern, std::size_t line, std::string reason) {
    const auto is_same = [&](const PatternProblem& problem) {
      return problem.pattern == pattern.name && problem.line == line && problem.reason == reason;
    };
    if (std::none_of(diagnosis_.problems.begin(), diagnosis_.problems.end(), is_same))
      complain(pattern, line, std::move(reason));
  }
  /// Of what prepare() refused.
  void complain(const Pattern& pattern, const PatternQuery& query, const Error& error) {
    complain(pattern, line_of(query, database_.error_offset().value_or(0)), error.to_string());
  }

  std::optional<query::Statement> prepare(const Pattern& pattern) {
    Result<query::Statement> statement = database_.prepare(pattern.query.sql);
    if (!statement) {
      complain(pattern, pattern.query, statement.error());
      return std::nullopt;
    }
    const std::vector<std::string>& columns = statement->columns();
    for (const char* required : kRequired) {
      if (std::find(columns.begin(), columns.end(), required) == columns.end()) {
        complain(pattern, pattern.query.line, std::string("its query gives no column ") + required);
        return std::nullopt;
      }
    }
    for (const std::string* text : {&pattern.text, &pattern.advice}) {
      if (const auto unknown = unknown_column(*text, columns)) {
        complain(pattern, 0, "{" + *unknown + "} is no column of its query");
        return std::nullopt;
      }
    }
    // Evidence with a mistake costs the evidence, and is said even when nothing is found.
    query::Parameters nulls;
    for (const std::string& column : columns) nulls[column];
    for (const PatternQuery& query : pattern.evidence) {
      const Result<query::Statement> evidence = database_.prepare(query.sql, nulls);
      if (!evidence) complain(pattern, query, evidence.error());
    }
    return std::move(*statement);
  }

  Status run(Trial& trial) {
    std::vector<query::Parameters> rows;
    while (true) {
      const Result<bool> more = trial.statement.step();
      if (!more) {
        if (more.error().code == ErrorCode::kTimeout) return more.error();
        complain(*trial.pattern, trial.pattern->query.line, more.error().to_string());
        return {};
      }
      if (!*more) break;
      query::Parameters& row = rows.emplace_back();
      for (std::size_t i = 0; i < trial.statement.columns().size(); ++i)
        row[trial.statement.columns()[i]] = trial.statement.owned_cell(i);
    }
    for (const query::Parameters& row : rows) {
      Finding finding = make_finding(*trial.pattern, row, trial.statement.columns());
      if (trial.unfit.contains(finding.victim)) continue;  // said to be unknown
      IVT_RETURN_IF_ERROR(add_evidence(*trial.pattern, row, finding));
      diagnosis_.findings.push_back(std::move(finding));
    }
    return {};
  }

  static Finding make_finding(const Pattern& pattern, const query::Parameters& row,
                              const std::vector<std::string>& columns) {
    Finding finding;
    finding.pattern = pattern.name;
    finding.title = pattern.title;
    finding.severity = parse_severity(text_of(row, "severity").value_or("")).value_or(pattern.severity);
    finding.victim = text_of(row, "victim").value_or("?");
    finding.culprit = text_of(row, "culprit");
    finding.share = number_of(row, "share");
    finding.from_ns = time_of(row, "from_ns");
    finding.until_ns = time_of(row, "until_ns");
    finding.confidence = std::clamp(number_of(row, "confidence").value_or(1), 0.0, 1.0);
    finding.impact_ns = number_of(row, "impact_ns").value_or(0);
    finding.text = fill_in(pattern.text, row);
    finding.advice = fill_in(pattern.advice, row);
    for (const std::string& column : columns) {
      if (std::find(std::begin(kKnown), std::end(kKnown), column) == std::end(kKnown))
        finding.numbers.emplace_back(column, row.at(column));
    }
    return finding;
  }

  Status add_evidence(const Pattern& pattern, const query::Parameters& row, Finding& finding) {
    for (const PatternQuery& query : pattern.evidence) {
      Result<query::Statement> statement = database_.prepare(query.sql, row);
      if (!statement) continue;  // said already
      Evidence evidence{query.title, statement->columns(), {}, false};
      while (true) {
        const Result<bool> more = statement->step();
        if (!more) {
          if (more.error().code == ErrorCode::kTimeout) return more.error();
          complain_once(pattern, query.line, more.error().to_string());
          break;
        }
        if (!*more) break;
        if (evidence.rows.size() == kEvidenceRows) {
          evidence.more = true;
          break;
        }
        auto& cells = evidence.rows.emplace_back();
        for (std::size_t i = 0; i < evidence.columns.size(); ++i) cells.push_back(statement->owned_cell(i));
      }
      finding.evidence.push_back(std::move(evidence));
    }
    return {};
  }

  query::Database& database_;
  std::span<const Pattern> patterns_;
  Recorded recorded_;
  Diagnosis diagnosis_;
};

}  // namespace

Result<Diagnosis> diagnose(query::Database& database, std::span<const Pattern> patterns) {
  return Judge(database, patterns).judge();
}

}  // namespace ivtrace::patterns
