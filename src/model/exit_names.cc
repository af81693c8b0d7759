#include "model/exit_names.h"

#include <string_view>

namespace ivtrace::model {
namespace {

constexpr std::size_t kMaxNames = 1024;  // numbers come from a file

}  // namespace

const std::string& ExitNames::learn(std::uint32_t number, decode::RecordBytes record) {
  const auto found = names_.find(number);
  if (found != names_.end()) return found->second;
  if (names_.size() >= kMaxNames || format_ == nullptr) return name(number);
  return names_.emplace(number, render(number, record)).first->second;
}

const std::string& ExitNames::name(std::uint32_t number) const {
  static const std::string kNone;
  const auto found = names_.find(number);
  return found == names_.end() ? kNone : found->second;
}

bool ExitNames::is_halt(std::uint32_t number) const {
  const std::string& known = name(number);
  return known == "hlt" || known == "HLT";
}

std::string ExitNames::render(std::uint32_t number, decode::RecordBytes record) {
  std::string text;
  printer_.render(*format_, record, decode::TextMode::kTerminal, text);
  constexpr std::string_view kWord = "reason ";
  const std::size_t at = text.find(kWord);
  if (at == std::string::npos) return std::to_string(number);
  std::string name = text.substr(at + kWord.size(), text.find(" rip", at) - at - kWord.size());
  name = name.substr(0, name.find(' '));
  return name.empty() ? std::to_string(number) : name;
}

}  // namespace ivtrace::model
