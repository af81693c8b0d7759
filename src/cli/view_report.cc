#include "cli/view_report.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <span>

#include "base/fd.h"
#include "base/text.h"
#include "cli/view_progress.h"
#include "view/report.h"

namespace ivtrace::cli {
namespace {

Error in_the_way(const std::string& path) {
  return Error(ErrorCode::kBusy, path + " is there already", "--force replaces it");
}

/// A reader sees nothing or all of it.
Status put(const std::string& path, std::string_view page, bool force) {
  const std::string fresh = path + "." + std::to_string(::getpid()) + ".new";
  IVT_ASSIGN_OR_RETURN(const UniqueFd file, open_file(fresh, O_WRONLY | O_CREAT | O_EXCL));
  Status status = write_all(file.get(), std::as_bytes(std::span(page)), path);
  if (status && ::fsync(file.get()) != 0) status = errno_error(errno, "cannot write " + path);
  if (status) {
    const unsigned how = force ? 0 : RENAME_NOREPLACE;
    int failed = ::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, path.c_str(), how) != 0 ? errno : 0;
    // Some file systems have no such rename; that nothing was there has just been seen.
    if (failed == EINVAL) failed = ::rename(fresh.c_str(), path.c_str()) != 0 ? errno : 0;
    if (failed == EEXIST) status = in_the_way(path);
    if (failed != 0 && failed != EEXIST) status = errno_error(failed, "cannot write " + path);
  }
  if (!status) ::unlink(fresh.c_str());
  return status;
}

}  // namespace

Status may_write_report(const std::string& path, bool force) {
  if (force || ::access(path.c_str(), F_OK) != 0) return {};
  return in_the_way(path);
}

Status write_report(view::Session& session, view::StopSource& stop, const std::string& path, bool force,
                    Streams& streams) {
  ViewProgress progress(session, streams.err);
  while (!progress.is_ready()) {
    if (stop.requested()) return query::interrupted_error();
    progress.show();
    progress.wait();
  }
  progress.say("writing " + path);
  if (const std::string failure = session.timeline().progress().failure; !failure.empty())
    return Error(ErrorCode::kIo, failure);
  IVT_ASSIGN_OR_RETURN(const std::string page, view::report_page(session, stop));
  IVT_RETURN_IF_ERROR(may_write_report(path, force));
  IVT_RETURN_IF_ERROR(put(path, page, force));
  progress.clear();
  return {};
}

}  // namespace ivtrace::cli
