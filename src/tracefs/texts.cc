#include "tracefs/texts.h"

#include "base/text.h"
#include "tracefs/lockdown.h"

namespace ivtrace::tracefs {
namespace {

constexpr std::size_t kMaxTextBytes = 64u << 20;

bool is_number(const std::string& name) {
  return !name.empty() && name.find_first_not_of("0123456789") == name.npos;
}

/// What the kernel noted of threads at a switch behind one of their events, as "tid comm" lines; empty where
/// it does not tell.
std::string noted_by_kernel(const TraceDir& dir) {
  const Result<std::string> text = read_file_at(dir.fd(), "saved_cmdlines", kMaxTextBytes);
  return text ? *text : std::string();
}

/// "tid comm\n" for every thread that lives now.
Result<std::string> living_threads() {
  IVT_ASSIGN_OR_RETURN(const std::vector<std::string> processes, list_directory("/proc"));
  std::string out;
  for (const std::string& process : processes) {
    if (!is_number(process)) continue;
    const std::string task_dir = "/proc/" + process + "/task";
    const Result<std::vector<std::string>> threads = list_directory(task_dir);
    if (!threads) continue;  // it ended meanwhile
    for (const std::string& thread : *threads) {
      const Result<std::string> comm = read_file(task_dir + "/" + thread + "/comm", 4096);
      if (!comm) continue;
      std::string name(*comm);
      if (!name.empty() && name.back() == '\n') name.pop_back();
      for (char& c : name) {
        if (c == '\n') c = ' ';  // a line is a record: a name must not make a second one
      }
      out += thread + " " + name + "\n";
    }
    if (out.size() > kMaxTextBytes)
      return Error(ErrorCode::kExhausted, "the tasks' names are larger than 64 MiB");
  }
  return out;
}

}  // namespace

Result<std::string> kallsyms_text() { return read_file("/proc/kallsyms", kMaxTextBytes); }

Result<std::string> printk_formats_text(const TraceDir& dir) {
  Result<std::string> text = read_file_at(dir.fd(), "printk_formats", kMaxTextBytes);
  if (!text) return explain_denied(text.error());
  return text;
}

TaskNames::TaskNames(const TraceDir& dir) : dir_(&dir) {
  const std::string noted = noted_by_kernel(dir);
  for (const std::string_view line : split(noted, '\n')) old_.emplace(line);
}

Result<std::string> TaskNames::text() const {
  const std::string noted = noted_by_kernel(*dir_);
  std::string out;
  for (const std::string_view line : split(noted, '\n')) {
    if (old_.contains(line)) continue;
    out.append(line).append("\n");
  }
  IVT_ASSIGN_OR_RETURN(const std::string living, living_threads());
  return out + living;
}

}  // namespace ivtrace::tracefs
