#include "exchange/thread_names.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "decode/comm_table.h"

namespace ivtrace::exchange {

ThreadNames::ThreadNames(const decode::FormatTable& formats, std::string_view cmdlines) {
  for (const decode::EventFormat* format : formats.all()) {
    auto sources = decode::comm_sources(*format);
    if (sources.empty()) continue;
    if (sources_.size() <= format->id) sources_.resize(format->id + std::size_t{1});
    sources_[format->id] = std::move(sources);
  }
  for (const std::string_view line : split(cmdlines, '\n')) {
    const std::size_t blank = line.find(' ');
    const auto thread = parse_u64(line.substr(0, blank));
    if (!thread || blank == std::string_view::npos || *thread > 0x7fffffff) continue;
    // The first line of a thread counts.
    if (!names_.contains(static_cast<std::int32_t>(*thread)))
      set(static_cast<std::int32_t>(*thread), line.substr(blank + 1), HostTsc(0));
  }
}

void ThreadNames::learn(const std::vector<decode::CommSource>& sources, decode::RecordBytes record,
                        HostTsc time) {
  for (const decode::CommSource& source : sources) {
    const decode::RecordBytes thread = decode::field_bytes(record, *source.pid);
    const std::optional<std::string_view> comm = decode::read_string(record, *source.comm);
    if (thread.size() == 4 && comm)
      set(static_cast<std::int32_t>(decode::load_signed(thread.data(), 4)), *comm, time);
  }
}

void ThreadNames::set(std::int32_t thread, std::string_view comm, HostTsc time) {
  auto found = names_.find(thread);
  if (found == names_.end()) {
    // Thread numbers come from the recorded machine, which may lie.
    if (names_.size() >= decode::CommTable::kMaxThreads) return;
    found = names_.emplace(thread, Name{}).first;
  }
  Name& name = found->second;
  if (time < name.since) return;
  name.since = time;
  comm = comm.substr(0, decode::CommTable::kMaxComm);
  if (name.comm != comm) name.comm = comm;
}

std::string ThreadNames::text() const {
  std::vector<std::int32_t> threads;
  for (const auto& [thread, name] : names_) {
    if (thread > 0 && !name.comm.empty()) threads.push_back(thread);
  }
  std::ranges::sort(threads);
  std::string out;
  for (const std::int32_t thread : threads) {
    out += std::to_string(thread);
    out += ' ';
    append_terminal_safe(out, names_.at(thread).comm);
    out += '\n';
  }
  return out;
}

}  // namespace ivtrace::exchange
