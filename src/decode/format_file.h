// A machine's `formats` text: many format files in one, as the agent sends it and as the run directory keeps
// it.
//
//   file <relative name> <bytes>\n
//   exactly that many bytes\n
//
// Names are `header_page`, `header_event` and `<system>/<event>/format`. A file that breaks its own format
// does not spoil the others: it is left out and told in `problems`. What breaks the framing ends the parse,
// told likewise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "decode/event_format.h"

namespace ivtrace::decode {

inline constexpr std::size_t kMaxFormatsText = 64u << 20;
inline constexpr std::size_t kMaxFormatProblems = 64;

/// Appends one file in the framing above. `name` holds no blank and no newline.
void append_format_file(std::string& out, std::string_view name, std::string_view content);

/// One machine's event formats by id. Immutable once parsed, so any number of threads may read it. Formats
/// stay at their address for the table's life, also when the table is moved.
class FormatTable {
 public:
  /// Never fails: what could not be used is in problems(). Text beyond kMaxFormatsText is not looked at.
  static FormatTable parse(std::string_view text);

  /// The format of records with this common_type, or nullptr.
  const EventFormat* find(std::uint16_t id) const { return id < by_id_.size() ? by_id_[id].get() : nullptr; }
  /// By system and name, or nullptr. Slow: walks the table.
  const EventFormat* find(std::string_view system, std::string_view name) const;
  /// Every format, in rising ids.
  std::vector<const EventFormat*> all() const;
  std::size_t size() const { return count_; }

  /// One line each, escaped for a terminal; at most kMaxFormatProblems of them.
  const std::vector<std::string>& problems() const { return problems_; }
  /// How many there were, also beyond those kept.
  std::size_t problem_count() const { return problem_count_; }

 private:
  void add_file(std::string_view name, std::string_view content);
  void add_format(EventFormat format);
  void add_problem(std::string text);

  std::vector<std::unique_ptr<EventFormat>> by_id_;
  std::size_t count_ = 0;
  std::vector<std::string> problems_;
  std::size_t problem_count_ = 0;
};

/// Checks events/header_page: the sub-buffer header must be the one in format/kernel_page.h (u64 timestamp at
/// 0, commit of 8 bytes at 8, data at 16). kUnsupported when it is another one, as on a 32-bit kernel.
Status check_header_page(std::string_view text);

}  // namespace ivtrace::decode
