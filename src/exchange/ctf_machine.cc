#include "exchange/ctf_machine.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <set>

#include "base/append_value.h"
#include "base/fd.h"
#include "base/utf8.h"

namespace ivtrace::exchange {
namespace {

void append_string(std::string& out, std::string_view text) {
  append_utf8(out, text.substr(0, text.find('\0')));
  out += '\0';
}

/// A count that may not be known.
void append_count(std::string& out, const std::optional<std::uint64_t>& count) {
  append_value(out, count ? static_cast<std::int64_t>(*count) : std::int64_t{-1});
}

std::uint8_t byte_at(decode::RecordBytes record, std::size_t at) {
  return at < record.size() ? std::to_integer<std::uint8_t>(record[at]) : std::uint8_t{0};
}

}  // namespace

CtfMachine::CtfMachine(CtfTrace trace, std::string folder, const decode::FormatTable& formats,
                       std::string_view cmdlines)
    : trace_(std::move(trace)), folder_(std::move(folder)), formats_(formats) {
  comms_.load(cmdlines);
}

Status CtfMachine::event(std::uint64_t time, std::uint32_t cpu, std::uint16_t id,
                         decode::RecordBytes record) {
  IVT_ASSIGN_OR_RETURN(CtfStream* const stream, this->stream(cpu));
  Kind& kind = this->kind(id);
  decode::learn_comms(comms_, kind.comms, record, false);
  const std::int32_t tid = decode::event_pid(record);
  put_context(tid, comms_.comm(tid), byte_at(record, 2), byte_at(record, 3));
  if (kind.fields && kind.fields->append_payload(body_, record)) {
    kind.written = true;
    stream->event(time, id, body_);
  } else {
    put_unreadable(id, record);
    stream->event(time, kCtfUnreadable, body_);
  }
  decode::learn_comms(comms_, kind.comms, record, true);
  return {};
}

Status CtfMachine::loss(std::uint64_t time, std::uint64_t from, const merge::LossMarker& loss) {
  // What is missing of a whole machine is no CPU's: its event alone tells it, in the stream of the first CPU.
  IVT_ASSIGN_OR_RETURN(CtfStream* const stream, this->stream(loss.cpu ? loss.cpu->value : 0));
  if (loss.cpu && loss.events) stream->lose(from, time, *loss.events);
  put_context(-1, {}, 0, 0);
  append_value(body_, loss.cpu ? static_cast<std::int32_t>(loss.cpu->value) : -1);
  append_count(body_, loss.events);
  append_count(body_, loss.bytes);
  append_value(body_, from);
  append_string(body_, loss.reason);
  stream->event(time, kCtfLoss, body_);
  return {};
}

Status CtfMachine::status() const {
  for (const auto& [cpu, stream] : streams_) IVT_RETURN_IF_ERROR(stream.status());
  return {};
}

Status CtfMachine::close() {
  if (streams_.empty()) return {};
  for (auto& [cpu, stream] : streams_) IVT_RETURN_IF_ERROR(stream.close());
  return replace_file(folder_ + "/metadata", ctf_metadata(trace_, written_events()));
}

CtfMachine::Kind& CtfMachine::kind(std::uint16_t id) {
  if (id < kinds_.size() && kinds_[id] != nullptr) return *kinds_[id];
  auto kind = std::make_unique<Kind>();
  const decode::EventFormat* const format = id == kCtfUnreadable ? nullptr : formats_.find(id);
  if (format != nullptr) {
    kind->fields.emplace(*format);
    kind->comms = decode::comm_sources(*format);
  }
  if (id >= kinds_.size()) kinds_.resize(id + 1u);
  kinds_[id] = std::move(kind);
  return *kinds_[id];
}

Result<CtfStream*> CtfMachine::stream(std::uint32_t cpu) {
  const auto found = streams_.find(cpu);
  if (found != streams_.end()) return &found->second;
  if (streams_.empty() && ::mkdir(folder_.c_str(), 0777) != 0)
    return errno_error(errno, "cannot make " + folder_);
  IVT_ASSIGN_OR_RETURN(CtfStream made,
                       CtfStream::create(fmt::format("{}/cpu{}", folder_, cpu), trace_.uuid, cpu));
  return &streams_.emplace(cpu, std::move(made)).first->second;
}

void CtfMachine::put_context(std::int32_t tid, std::string_view comm, std::uint8_t flags,
                             std::uint8_t preempt_count) {
  body_.clear();
  append_value(body_, tid);
  append_string(body_, comm);
  append_value(body_, flags);
  append_value(body_, preempt_count);
}

void CtfMachine::put_unreadable(std::uint16_t id, decode::RecordBytes record) {
  ++unreadable_;
  append_value(body_, id);
  append_value(body_, static_cast<std::uint32_t>(record.size()));
  body_.append(reinterpret_cast<const char*>(record.data()), record.size());
}

CtfEvents CtfMachine::written_events() const {
  CtfEvents events;
  std::set<std::string> names;
  for (std::size_t id = 0; id < kinds_.size(); ++id) {
    if (kinds_[id] == nullptr || !kinds_[id]->written) continue;
    const decode::EventFormat& format = *formats_.find(static_cast<std::uint16_t>(id));
    // Two systems may have an event of one name.
    std::string name = ctf_event_name(format);
    if (!names.insert(name).second) {
      name = fmt::format("{}:{}", format.full_name(), id);
      names.insert(name);
    }
    events[static_cast<std::uint32_t>(id)] = {name, &*kinds_[id]->fields};
  }
  return events;
}

}  // namespace ivtrace::exchange
