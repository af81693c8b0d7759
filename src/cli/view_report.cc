#include "cli/view_report.h"

#include "base/file_writer.h"
#include "cli/view_progress.h"
#include "view/report.h"

namespace ivtrace::cli {

Status write_report(view::Session& session, view::StopSource& stop, Replacement& place, Streams& streams) {
  ViewProgress progress(session, streams.err);
  while (!progress.is_ready()) {
    if (stop.requested()) return query::interrupted_error();
    progress.show();
    progress.wait();
  }
  progress.say("writing the page");
  if (const std::string failure = session.timeline().progress().failure; !failure.empty())
    return Error(ErrorCode::kIo, failure);
  IVT_ASSIGN_OR_RETURN(const std::string page, view::report_page(session, stop));
  IVT_ASSIGN_OR_RETURN(FileWriter file, FileWriter::create(place.fresh()));
  file << page;
  IVT_RETURN_IF_ERROR(file.close());
  progress.clear();
  return place.put();
}

}  // namespace ivtrace::cli
