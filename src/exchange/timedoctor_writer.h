// TimeDoctor's .tdi files: records of text, one a line, in blocks of one CPU each.
//
//     TIME 1000000000            ticks a second; all times are whole nanoseconds
//     CPU 1 host:cpu0            a block begins
//     SPEED 1000000000           its clock, which is how far the viewer zooms in
//     NAM 0 1 bash-42            a line: its type, its number within the block, its name
//     STA 0 1 10                 a sample: the task has the CPU from here on
//     STO 0 1 25                 … and left it
//     END
//
// What the format asks for is kept here, whatever the caller tells: a block's lines are named before its
// first sample; its times never fall; a CPU has one task at a time, and the old one stops before the new one
// starts; interrupts nest, and none lasts beyond the task that it interrupted; nothing stops that has not
// started; a queue's level stays below what the viewer can count; all is closed at a block's end; a name is
// one word of ASCII. An order that does not fit is brought into one that does, or left out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_writer.h"

namespace ivtrace::exchange {

/// Any text as one word of printable ASCII: `_` for what is none.
std::string timedoctor_word(std::string_view text);

/// Appends a file's records to `out`, which it borrows. One thread. Memory: some bytes for each line of a
/// block.
class TimedoctorWriter {
 public:
  /// As the records have it.
  enum class Kind : std::uint8_t { kTask = 0, kInterrupt = 1, kQueue = 3, kNote = 7 };
  /// A line of the block that is being written.
  using Line = std::uint32_t;

  /// Times beyond are this one: a double has all whole numbers up to here.
  static constexpr std::int64_t kLastTime = std::int64_t{1} << 53;
  /// What more is in a queue is not shown.
  static constexpr std::uint32_t kMostInQueue = (1u << 21) - 1;

  explicit TimedoctorWriter(FileWriter& out);

  /// Ends the block before.
  void begin_cpu(std::string_view name);
  /// Before the block's first sample.
  Line add_line(Kind kind, std::string_view name);
  /// A queue that set_level() is for.
  Line add_gauge(std::string_view name);
  /// A task gets the CPU, an interrupt begins, a queue gets one more. Nanoseconds.
  void start(Line line, std::int64_t ns);
  /// The task leaves the CPU, the interrupt ends, the queue has one less.
  void stop(Line line, std::int64_t ns);
  void note(Line line, std::int64_t ns, std::string_view text);
  /// So much is in the gauge from here on; the text tells it in the caller's words.
  void set_level(Line gauge, std::int64_t ns, std::uint32_t level, std::string_view text);
  /// Ends the file; call it last.
  void finish();

  std::uint64_t samples() const { return samples_; }
  /// The time of the block's last sample.
  std::int64_t now() const { return now_; }
  /// The latest time of all blocks.
  std::int64_t latest() const { return latest_; }

 private:
  struct State {
    Kind kind;
    std::uint32_t level = 0;  ///< how often it has started and not stopped
  };
  static constexpr Line kNone = 0;

  State& state_of(Line line) { return lines_[line - 1]; }
  void move_to(std::int64_t ns);
  void label_texts();
  void record(std::string_view tag, Line line, std::uint32_t amount = 1);
  void tell(std::string_view text);
  void stop_task();
  void stop_interrupt(Line line);
  void stop_interrupts();
  void end_cpu();

  FileWriter& out_;
  std::uint32_t cpu_ = 0;  ///< 0: none yet
  std::vector<State> lines_;
  Line running_ = kNone;
  std::vector<Line> interrupts_;  ///< those that are open, the innermost last
  bool has_samples_ = false;
  bool has_label_ = false;
  std::int64_t now_ = 0;
  std::int64_t latest_ = 0;
  std::uint64_t samples_ = 0;
};

}  // namespace ivtrace::exchange
