#include "decode/libtraceevent_printer.h"

#include <traceevent/event-parse.h>
#include <traceevent/trace-seq.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "decode/libtraceevent_text.h"

namespace ivtrace::decode {
namespace {

/// A sub-buffer's data is at most 64 KiB; a locator reaches 64 KiB far and claims at most 64 KiB; a relative
/// one counts from its own end.
constexpr std::size_t kMaxRecord = 64u << 10;
constexpr std::size_t kPadding = 3 * kMaxRecord;

Error unsupported(const char* what) {
  return Error(ErrorCode::kUnsupported, std::string("libtraceevent: ") + what);
}

bool holds(RecordBytes record, const std::vector<Field>& fields) {
  return std::ranges::all_of(fields, [&](const Field& field) {
    return std::uint64_t{field.offset} + field.size <= record.size() && field.count <= kMaxRecord;
  });
}

}  // namespace

/// libtraceevent's handle, and what every render() uses again.
struct LibtraceeventPrinter::State {
  State() : handle(tep_alloc()), record(kMaxRecord + kPadding) {
    IVT_CHECK(handle != nullptr);
    trace_seq_init(&text);
  }
  ~State() {
    trace_seq_destroy(&text);
    tep_free(handle);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  tep_handle* handle;
  std::vector<std::byte> record;
  std::size_t used = 0;
  trace_seq text;
};

LibtraceeventPrinter::LibtraceeventPrinter() : state_(std::make_unique<State>()) {
  tep_set_loglevel(TEP_LOG_NONE);
  tep_set_file_bigendian(state_->handle, TEP_LITTLE_ENDIAN);
  tep_set_local_bigendian(state_->handle, TEP_LITTLE_ENDIAN);
  tep_set_long_size(state_->handle, 8);
  tep_set_page_size(state_->handle, 4096);
}

LibtraceeventPrinter::~LibtraceeventPrinter() = default;

Status LibtraceeventPrinter::add(const EventFormat& format) {
  IVT_ASSIGN_OR_RETURN(const std::string text, text_for_libtraceevent(format));
  return parse(format, text);
}

Status LibtraceeventPrinter::add_trusted(const EventFormat& format) {
  IVT_ASSIGN_OR_RETURN(const std::string text, original_format_text(format));
  return parse(format, text);
}

Status LibtraceeventPrinter::parse(const EventFormat& format, const std::string& text) {
  if (tep_find_event(state_->handle, format.id) != nullptr) return {};
  const auto error = tep_parse_event(state_->handle, text.data(), text.size(), format.system.c_str());
  const tep_event* event = tep_find_event(state_->handle, format.id);
  if (error != TEP_ERRNO__SUCCESS || event == nullptr || (event->flags & TEP_EVENT_FL_FAILED) != 0) {
    return unsupported("it does not understand this print fmt");
  }
  return {};
}

void LibtraceeventPrinter::add_symbol(std::uint64_t address, const std::string& name) {
  tep_register_function(state_->handle, const_cast<char*>(name.c_str()), address, nullptr);
}

bool LibtraceeventPrinter::render(const EventFormat& format, RecordBytes record, std::string& out) {
  if (record.size() > kMaxRecord || !holds(record, format.common) || !holds(record, format.fields))
    return false;
  tep_event* event = tep_find_event(state_->handle, format.id);
  if (event == nullptr) return false;
  // Behind the record stay zeroes: what a longer one left there is wiped.
  std::vector<std::byte>& buffer = state_->record;
  std::memcpy(buffer.data(), record.data(), record.size());
  if (state_->used > record.size())
    std::memset(buffer.data() + record.size(), 0, state_->used - record.size());
  state_->used = record.size();
  tep_record wrapped{};
  wrapped.data = buffer.data();
  wrapped.size = static_cast<int>(record.size());
  trace_seq& text = state_->text;
  trace_seq_reset(&text);
  tep_print_event(state_->handle, &text, &wrapped, "%s", TEP_PRINT_INFO);
  out.append(text.buffer, text.len);
  return true;
}

}  // namespace ivtrace::decode
