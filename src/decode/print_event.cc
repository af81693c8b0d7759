#include "decode/print_event.h"

#include "decode/libtraceevent_printer.h"
#include "decode/print_bprint.h"
#include "decode/print_number.h"
#include "decode/print_raw.h"

namespace ivtrace::decode {

/// What is known of one event's print fmt.
struct EventPrinter::Entry {
  PrintMethod method = PrintMethod::kRaw;
  bool bprint = false;
  PrintProgram program;
};

EventPrinter::EventPrinter(Symbols symbols) : symbols_(std::move(symbols)) {}
EventPrinter::~EventPrinter() = default;
EventPrinter::EventPrinter(EventPrinter&&) noexcept = default;
EventPrinter& EventPrinter::operator=(EventPrinter&&) noexcept = default;

EventPrinter::Entry& EventPrinter::entry(const EventFormat& format) {
  if (format.id >= entries_.size()) entries_.resize(format.id + 1u);
  std::unique_ptr<Entry>& entry = entries_[format.id];
  if (!entry) {
    entry = std::make_unique<Entry>();
    prepare(format, *entry);
  }
  return *entry;
}

void EventPrinter::prepare(const EventFormat& format, Entry& entry) {
  entry.bprint = format.system == "ftrace" && format.name == "bprint";
  auto program = compile_print(format);
  if (program) {
    if (program_bytes_ + program->memory_bytes() > kMaxProgramBytes) return;
    program_bytes_ += program->memory_bytes();
    entry.program = *std::move(program);
    entry.method = PrintMethod::kCompiled;
    return;
  }
  if (program.error().code != ErrorCode::kUnsupported || libtraceevent_events_ >= kMaxLibtraceeventEvents)
    return;
  if (!libtraceevent_) libtraceevent_ = std::make_unique<LibtraceeventPrinter>();
  ++libtraceevent_events_;
  if (libtraceevent_->add(format)) entry.method = PrintMethod::kLibtraceevent;
}

PrintMethod EventPrinter::method(const EventFormat& format) { return entry(format).method; }

bool EventPrinter::render_bprint(const EventFormat& format, RecordBytes record, std::string& out) const {
  const Field* ip = format.find("ip");
  const Field* text = format.find("fmt");
  const Field* buffer = format.find("buf");
  if (ip == nullptr || text == nullptr || buffer == nullptr) return false;
  const auto address = read_unsigned(record, *ip);
  const auto text_address = read_unsigned(record, *text);
  const auto arguments = read_array(record, *buffer);
  if (!address || !text_address || !arguments) return false;
  const std::string* known = symbols_.text_at(*text_address);
  if (known == nullptr) return false;
  NumberFormat hex;
  hex.conversion = 'x';
  hex.alternate = true;
  std::uint64_t offset = 0;
  const std::string_view name = symbols_.lookup(*address, &offset);
  if (name.empty()) {
    append_number(out, hex, *address);
  } else {
    out += name;
  }
  out += ": ";
  append_bprint(out, *known, *arguments, symbols_);
  return true;
}

void EventPrinter::render(const EventFormat& format, RecordBytes record, TextMode mode, std::string& out) {
  const Entry& known = entry(format);
  const std::size_t start = out.size();
  bool done = false;
  if (known.bprint) {
    done = render_bprint(format, record, out);
    if (done && mode == TextMode::kTerminal) make_terminal_safe(out, start);
  }
  if (!done && known.method == PrintMethod::kCompiled)
    done = known.program.render(record, symbols_, mode, out);
  if (!done && known.method == PrintMethod::kLibtraceevent) {
    done = libtraceevent_->render(format, record, out);
    if (out.size() - start > kMaxEventText) out.resize(start + kMaxEventText);
    if (done && mode == TextMode::kTerminal) make_terminal_safe(out, start);
  }
  if (!done) render_raw(format, record, mode, out);
}

}  // namespace ivtrace::decode
