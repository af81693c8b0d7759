// Regular beats for a load that must be gentle.
#pragma once

#include <cstdint>

namespace ivtrace::lab {

// When the next operation is due. A load that is late does not make up for it: the beats shift. Not
// thread-safe.
class Pace {
 public:
  // interval_ns: between the begins of two operations; 0: each is due at once.
  Pace(std::uint64_t interval_ns, std::uint64_t begin_ns) : interval_ns_(interval_ns), due_ns_(begin_ns) {}

  // 0 when an operation may begin, else how long until then.
  std::uint64_t wait_ns(std::uint64_t now_ns) const { return now_ns < due_ns_ ? due_ns_ - now_ns : 0; }

  // An operation begins.
  void begin(std::uint64_t now_ns) {
    due_ns_ = due_ns_ + interval_ns_ > now_ns ? due_ns_ + interval_ns_ : now_ns;
  }

 private:
  std::uint64_t interval_ns_;
  std::uint64_t due_ns_;
};

}  // namespace ivtrace::lab
