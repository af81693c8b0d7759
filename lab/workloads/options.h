// Command lines and clock of the lab's loads.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

namespace ivtrace::lab {

// The options of one load: `--name VALUE` pairs, all declared with their
// defaults. Anything else ends the program with the usage text. Not thread-safe
// while being parsed, freely shared afterwards.
class Options {
 public:
  // `defaults`: every option the program knows, with the value it has when not given.
  Options(int argc, char** argv, const std::string& purpose, std::map<std::string, std::string> defaults);

  const std::string& text(const std::string& name) const;
  // A non-negative number; suffixes k, M, G are powers of 1024. Ends the program when it is none.
  std::uint64_t number(const std::string& name) const;

 private:
  [[noreturn]] void usage(const std::string& problem) const;

  std::string program_;
  std::string purpose_;
  std::map<std::string, std::string> values_;
};

// Prints `what` with errno's text and ends the program.
[[noreturn]] void die(const std::string& what);

// Nanoseconds of CLOCK_MONOTONIC.
inline std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() /
                                    std::chrono::nanoseconds(1));
}

}  // namespace ivtrace::lab
