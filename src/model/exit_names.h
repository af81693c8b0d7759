// The names of exit reasons, as the recorded kernel itself gives them: SVM's and VMX's differ.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "decode/event_format.h"
#include "decode/field.h"
#include "decode/print_event.h"

namespace ivtrace::model {

/// Names by number, each rendered once, from the first record that has it. One thread. Borrows the format.
class ExitNames {
 public:
  /// `kvm_exit`'s format, or nullptr: then numbers stay nameless.
  explicit ExitNames(const decode::EventFormat* format) : format_(format) {}

  /// The name of an exit's reason: the word behind "reason " in the event's text, else the number.
  const std::string& learn(std::uint32_t number, decode::RecordBytes record);
  /// "" when no record had it.
  const std::string& name(std::uint32_t number) const;
  /// Did the guest's CPU have nothing to do? "hlt" is SVM's name, "HLT" VMX's.
  bool is_halt(std::uint32_t number) const;

 private:
  std::string render(std::uint32_t number, decode::RecordBytes record);

  const decode::EventFormat* format_;
  decode::EventPrinter printer_{decode::Symbols{}};
  std::map<std::uint32_t, std::string> names_;
};

}  // namespace ivtrace::model
