// The viewer's page as one file: the verdict, and the part of the timeline that matters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "patterns/finding.h"
#include "timeline/tile.h"
#include "view/answer.h"
#include "view/row_walk.h"
#include "view/session.h"

namespace ivtrace::view {

/// A report's bounds. Every track is there for the run as a whole; finer tiles come until their bound, those
/// of the tracks that matter first.
struct ReportLimits {
  std::size_t tile_bytes = 5 << 19;  // 2.5 MiB
  std::size_t request_bytes = 1 << 19;
  std::size_t requests = 50;
};

/// That of the gravest finding, with a quarter of its length on both sides; or the whole run.
Stretch stretch_that_matters(const std::vector<patterns::Finding>& findings, std::int64_t duration_ns);
/// The first level whose tiles show the stretch as finely as a wide screen can, with a few of them.
std::uint32_t level_for(const Stretch& stretch, std::int64_t base_span_ns);

/// JSON that may stand within a <script>: nothing in it ends that, or begins a comment.
std::string escaped_for_script(std::string_view json);
/// The page with `script` and `style` in the place of what it refers to, and the JSON before the script.
/// kCorrupt when the page is not as it should be.
Result<std::string> joined_page(std::string_view html, std::string_view script, std::string_view style,
                                std::string_view json);

/// The whole file. The run has been read and the patterns have been tried. kTimeout: `stop` was asked for.
Result<std::string> report_page(Session& session, StopSource& stop, const ReportLimits& limits = {});

}  // namespace ivtrace::view
