// The formats of other tools that a run can be written in.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "exchange/job.h"

namespace ivtrace::exchange {

/// One format. Each lives in a file of its own; exporter.cc has the list.
struct Exporter {
  const char* name;     ///< as people type it
  const char* meaning;  ///< what is written, and what reads it, in a few words
  bool is_folder;       ///< several files in a folder, not one file
  Status (*write)(const Job& job);
};

std::span<const Exporter> exporters();
/// nullptr when there is none of that name.
const Exporter* find_exporter(std::string_view name);

/// What is asked for, whichever format it is.
struct Request {
  std::string out;  ///< the file or folder
  bool force = false;
  merge::Filter filter;
  query::CacheUse cache = query::CacheUse::kIfPossible;
};

/// In every folder that an export made, so that --force replaces nothing else.
inline constexpr const char* kMarkName = ".ivtrace-export";

/// Writes all or nothing: `request.out` appears when it is whole. kBusy when something is there already.
/// Memory does not depend on the run's length.
Result<Summary> write_export(const Exporter& exporter, const run::RunReader& run,
                             const clock::HostClock& clock, const Request& request, Progress& progress);

}  // namespace ivtrace::exchange
