#include "model/thread_owners.h"

#include <charconv>
#include <string_view>

namespace ivtrace::model {

ThreadOwners::ThreadOwners(const run::RunReader& run, const decode::FormatTable* host_formats) {
  for (std::size_t i = 0; i < run.machines().size(); ++i) {
    const run::Machine& machine = run.machines()[i];
    if (machine.info.qemu_pid > 0) {
      by_process_.emplace(machine.info.qemu_pid, i);
      set(machine.info.qemu_pid, static_cast<std::uint32_t>(i));
    }
    for (const run::VcpuRecord& vcpu : machine.vcpus) set(vcpu.thread, static_cast<std::uint32_t>(i));
    for (const run::ThreadsRecord& threads : machine.threads) {
      for (const std::int32_t thread : threads.threads) set(thread, static_cast<std::uint32_t>(i));
    }
  }
  if (host_formats == nullptr) return;
  // task_newtask is raised by the parent (common_pid) and tells the child as `pid`; it is in every profile.
  const decode::EventFormat* const fork = host_formats->find("task", "task_newtask");
  if (fork == nullptr) return;
  child_ = decode::IntegerReader(fork->find("pid"));
  if (child_.known()) fork_ = fork->id;
}

void ThreadOwners::set(std::int32_t thread, std::optional<std::uint32_t> machine) {
  if (auto* const known = by_thread_.make(thread)) *known = machine;
}

void ThreadOwners::look(std::uint16_t id, decode::RecordBytes record) {
  if (id != fork_ || fork_ == 0) return;
  const auto child = static_cast<std::int32_t>(child_.read(record, -1));
  // A number that is used again for a thread of somebody else is no longer the guest's.
  const auto* const parent = by_thread_.find(decode::event_pid(record));
  const bool owned = parent != nullptr && *parent;
  if (owned || by_thread_.find(child) != nullptr) set(child, owned ? *parent : std::nullopt);
}

std::optional<std::size_t> ThreadOwners::owner(const Task& task) const {
  if (const auto* const known = by_thread_.find(task.tid); known != nullptr && *known) return **known;
  constexpr std::string_view kVhost = "vhost-";  // "vhost-PID", drivers/vhost/vhost.c
  if (task.comm[0] != kVhost[0]) return std::nullopt;
  const std::string_view name = task.name();
  if (!name.starts_with(kVhost)) return std::nullopt;
  std::int32_t pid = 0;
  const char* const end = name.data() + name.size();
  if (std::from_chars(name.data() + kVhost.size(), end, pid).ptr != end) return std::nullopt;
  const auto found = by_process_.find(pid);
  return found == by_process_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace ivtrace::model
