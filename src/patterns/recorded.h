// What a run has of each machine, so that a pattern is not tried where it would have to guess.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "query/database.h"

namespace ivtrace::patterns {

/// The table `recorded`, and how much of each machine's events was lost. A plain value.
class Recorded {
 public:
  static constexpr const char* kHost = "host";

  struct Fact {
    bool there = false;
    std::string reason;  ///< why not
    std::string option;  ///< what would have recorded it; "" when nothing would
  };

  static Result<Recorded> read(query::Database& database);

  std::vector<std::string> guests() const;
  /// A machine that lost too much (kMostLost) has nothing but its counters.
  Fact find(const std::string& what, const std::string& machine) const;
  /// Why there is none; meaningful without guests only.
  Fact no_guest() const;

 private:
  std::map<std::pair<std::string, std::string>, Fact> facts_;  ///< by machine and what
  std::map<std::string, double> lost_;                         ///< by machine: share of its events
  std::vector<std::string> guests_;
};

}  // namespace ivtrace::patterns
