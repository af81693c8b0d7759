// Which name each thread of a machine has at the moment that a report has reached.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ivtrace::decode {

/// Thread names of one machine, by tid. Names are the kernel's: at most 16 bytes, of any content. Each name
/// is made ready for output once, when it is learnt, not at every event. Holds at most kMaxThreads: thread
/// numbers come from the recorded machine, which may lie; beyond that the table forgets all and learns anew.
/// One thread.
class CommTable {
 public:
  static constexpr std::size_t kMaxComm = 16;
  static constexpr std::size_t kMaxThreads = 1u << 18;
  static constexpr std::size_t kCommColumns = 16;
  static constexpr std::size_t kPidColumns = 7;
  /// Characters of an ordinary label.
  static constexpr std::size_t kLabelColumns = kCommColumns + 1 + kPidColumns;

  CommTable();

  /// Learns that `pid` is called `comm` from now on (cut at the first zero byte and at 16 bytes).
  void set(std::int32_t pid, std::string_view comm) {
    Entry* const entry = find(pid);
    if (entry != nullptr && entry->same_comm(comm)) return;
    learn(pid, comm);
  }
  /// "            comm-123    ": right-aligned name, dash, left-aligned number, safe for a terminal. The view
  /// lives until the next call of any member.
  std::string_view label(std::int32_t pid);
  /// The name as the machine had it; "<...>" for a thread that nothing named. Lifetime as label().
  std::string_view comm(std::int32_t pid);

  /// Learns every "pid comm" line; lines that are none are left out. The thread 0 is "<idle>" whatever they
  /// say.
  void load(std::string_view cmdlines);

  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::int32_t pid = 0;
    std::uint8_t comm_bytes = 0;
    std::uint8_t label_bytes = 0;
    std::array<char, kMaxComm> comm = {};
    std::array<char, 80> label = {};  // 16 escaped bytes of four characters, dash, 11 digits, rounded up

    bool same_comm(std::string_view name) const {
      return std::string_view(comm.data(), comm_bytes) == cut(name);
    }
  };

  static std::string_view cut(std::string_view name) {
    return name.substr(0, kMaxComm).substr(0, name.find('\0'));
  }
  Entry* find(std::int32_t pid);
  Entry& learn(std::int32_t pid, std::string_view comm);
  Entry& known(std::int32_t pid);
  void grow_slots(std::size_t count);
  std::size_t slot_of(std::int32_t pid) const;

  std::vector<Entry> entries_;
  std::vector<std::uint32_t>
      slots_;  // open addressing: index into entries_ + 1, 0 is empty; a power of two long
};

}  // namespace ivtrace::decode
