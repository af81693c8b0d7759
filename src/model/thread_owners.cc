#include "model/thread_owners.h"

#include <charconv>
#include <string_view>

namespace ivtrace::model {

ThreadOwners::ThreadOwners(const run::RunReader& run, const decode::FormatTable* host_formats) {
  for (std::size_t i = 0; i < run.machines().size(); ++i) {
    const run::Machine& machine = run.machines()[i];
    if (machine.info.qemu_pid > 0) {
      by_process_.emplace(machine.info.qemu_pid, i);
      by_thread_.emplace(machine.info.qemu_pid, i);
    }
    for (const run::VcpuRecord& vcpu : machine.vcpus) by_thread_.emplace(vcpu.thread, i);
    for (const run::ThreadsRecord& threads : machine.threads) {
      for (const std::int32_t thread : threads.threads) by_thread_.emplace(thread, i);
    }
  }
  if (host_formats == nullptr) return;
  // task_newtask is raised by the parent (common_pid) and tells the child as `pid`; it is in every profile.
  fork_ = host_formats->find("task", "task_newtask");
  if (fork_ != nullptr) child_ = fork_->find("pid");
}

void ThreadOwners::look(std::uint16_t id, decode::RecordBytes record) {
  if (child_ == nullptr || id != fork_->id) return;
  const auto parent = by_thread_.find(decode::event_pid(record));
  const auto child = decode::read_signed(record, *child_);
  if (!child) return;
  // A number that is used again for a thread of somebody else is no longer the guest's.
  if (parent == by_thread_.end()) {
    by_thread_.erase(static_cast<std::int32_t>(*child));
  } else {
    by_thread_.insert_or_assign(static_cast<std::int32_t>(*child), parent->second);
  }
}

std::optional<std::size_t> ThreadOwners::owner(const Task& task) const {
  if (const auto found = by_thread_.find(task.tid); found != by_thread_.end()) return found->second;
  constexpr std::string_view kVhost = "vhost-";  // "vhost-PID", drivers/vhost/vhost.c
  const std::string_view name = task.name();
  if (!name.starts_with(kVhost)) return std::nullopt;
  std::int32_t pid = 0;
  const char* const end = name.data() + name.size();
  if (std::from_chars(name.data() + kVhost.size(), end, pid).ptr != end) return std::nullopt;
  const auto found = by_process_.find(pid);
  return found == by_process_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace ivtrace::model
