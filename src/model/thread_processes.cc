#include "model/thread_processes.h"

namespace ivtrace::model {
namespace {

constexpr std::int64_t kCloneThread = 0x10000;  // CLONE_THREAD, include/uapi/linux/sched.h

}  // namespace

ThreadProcesses::ThreadProcesses(const decode::FormatTable* formats) {
  const decode::EventFormat* const begun =
      formats == nullptr ? nullptr : formats->find("task", "task_newtask");
  if (begun == nullptr) return;
  child_ = decode::IntegerReader(begun->find("pid"));
  flags_ = decode::IntegerReader(begun->find("clone_flags"));
  if (child_.known() && flags_.known()) begun_ = begun->id;
}

void ThreadProcesses::look(std::uint16_t id, decode::RecordBytes record) {
  if (id != begun_ || begun_ == 0) return;
  const auto child = static_cast<std::int32_t>(child_.read(record, 0));
  const bool is_thread = (flags_.read(record, 0) & kCloneThread) != 0;
  if (auto* const known = processes_.make(child))
    *known = is_thread ? process(decode::event_pid(record)) : child;
}

std::int32_t ThreadProcesses::process(std::int32_t tid) const {
  const std::int32_t* const known = processes_.find(tid);
  return known == nullptr ? 0 : *known;
}

}  // namespace ivtrace::model
