#include "tracers/tracer_set.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/fd.h"
#include "base/text.h"
#include "tracers/stap_leftovers.h"

namespace ivtrace::tracers {
namespace {

/// Of the machine's memory, for root only, and gone with the next boot.
constexpr const char* kFolders = "/run";
constexpr const char* kFolderPrefix = "ivtrace-tracers-";

bool valid_file_name(const std::string& name) {
  return !name.empty() && name.size() <= 100 && name[0] != '.' && name[0] != '-' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                  c == '.' || c == '-';
         });
}

}  // namespace

void remove_left_folders() {
  const Result<std::vector<std::string>> names = list_directory(kFolders);
  if (!names) return;
  for (const std::string& name : *names) {
    if (!name.starts_with(kFolderPrefix)) continue;
    std::string_view owner = std::string_view(name).substr(std::string_view(kFolderPrefix).size());
    const Result<std::uint64_t> pid = parse_u64(owner.substr(0, owner.find('-')));
    if (!pid || *pid == 0 || *pid > INT32_MAX) continue;
    if (::kill(static_cast<pid_t>(*pid), 0) == 0 || errno != ESRCH) continue;
    std::error_code ignored;
    std::filesystem::remove_all(std::string(kFolders) + "/" + name, ignored);
  }
}

TracerSet::~TracerSet() {
  compiler_.stop();
  tracers_.clear();
  // One that had to be killed could not take its module out of the kernel.
  static_cast<void>(unload_leftover_modules());
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

Status TracerSet::make_folder() {
  if (!folder_.empty()) return {};
  remove_left_folders();
  std::string pattern = std::string(kFolders) + "/" + kFolderPrefix + std::to_string(::getpid()) + "-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) return errno_error(errno, "cannot make " + pattern);
  folder_ = pattern;
  return {};
}

Status TracerSet::put_file(std::uint32_t id, const std::string& name, std::uint64_t offset,
                           std::string_view bytes) {
  const std::string file_name = name.empty() ? "tracer-" + std::to_string(id) : name;
  if (!valid_file_name(file_name))
    return Error(ErrorCode::kInvalid, "\"" + name + "\" is no name for a tracer's file");
  if (files_.size() >= kMaxTracers && !files_.contains(id))
    return Error(ErrorCode::kExhausted, "more than " + std::to_string(kMaxTracers) + " tracers at once");
  IVT_RETURN_IF_ERROR(make_folder());
  File& file = files_[id];
  if (offset == 0) file = {folder_ + "/" + file_name, 0};
  if (offset != file.size) return Error(ErrorCode::kInvalid, "a tracer's file comes in pieces without a gap");
  if (bytes.size() > kMaxTracerFile - file.size)
    return Error(ErrorCode::kExhausted, "a tracer's file has more than 64 MiB");
  const int flags = O_WRONLY | O_CREAT | (offset == 0 ? O_TRUNC : O_APPEND);
  IVT_ASSIGN_OR_RETURN(const UniqueFd fd, open_file(file.path, flags, 0600));
  IVT_RETURN_IF_ERROR(write_all(fd.get(), std::as_bytes(std::span(bytes)), file.path));
  file.size += bytes.size();
  return {};
}

Result<std::string> TracerSet::file_of(std::uint32_t id) const {
  const auto file = files_.find(id);
  if (file == files_.end()) return Error(ErrorCode::kInvalid, "the tracer's file is not there");
  return file->second.path;
}

Status TracerSet::compile(std::uint32_t id, const std::vector<std::string>& options) {
  IVT_ASSIGN_OR_RETURN(const std::string script, file_of(id));
  return compiler_.compile(id, script, options);
}

Status TracerSet::start(std::uint32_t id, const std::string& kind,
                        const std::vector<std::string>& arguments) {
  IVT_ASSIGN_OR_RETURN(const std::string file, file_of(id));
  TracerSpec spec{id, kind, file, arguments};
  if (kind == kScriptKind) {
    IVT_ASSIGN_OR_RETURN(spec.file, compiler_.module(id));
    spec.kind = kModuleKind;
  }
  auto started = Tracer::start(spec);
  if (!started) return std::move(started).error();
  tracers_[id] = *std::move(started);
  return {};
}

void TracerSet::drop_known(std::uint64_t have) {
  if (have <= dropped_) return;
  const auto known = static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(have - dropped_, sent_.size()));
  sent_.erase(sent_.begin(), sent_.begin() + known);
  dropped_ += static_cast<std::uint64_t>(known);
}

void TracerSet::poll(std::uint64_t have, format::Reply& reply) {
  drop_known(have);
  std::size_t room = format::kTracerLinesBytes;
  const auto bytes_from = [this](std::size_t first) {
    std::size_t bytes = 0;
    for (std::size_t i = first; i < sent_.size(); ++i) bytes += sent_[i].text.size() + kLineOverhead;
    return bytes;
  };
  room -= std::min(room, bytes_from(0));
  for (const auto& [id, tracer] : tracers_) {
    reply.tracers.push_back(tracer->poll());
    const std::size_t before = sent_.size();
    if (room == 0 || !tracer->take(room, sent_)) reply.more = true;
    room -= std::min(room, bytes_from(before));
  }
  reply.lines = sent_;
  for (format::TracerState& state : compiler_.states()) {
    if (!tracers_.contains(state.tracer)) reply.tracers.push_back(std::move(state));
  }
}

void TracerSet::stop() {
  compiler_.stop();
  for (const auto& [id, tracer] : tracers_) {
    if (!tracer->ended()) tracer->stop();
  }
}

}  // namespace ivtrace::tracers
